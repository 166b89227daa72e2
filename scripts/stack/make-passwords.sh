#!/bin/bash
# Makes the stack's passwords: PASSWORDS_DIR/NAME/password for each folder NAME there is. Run by docker-compose.yaml, where
# each folder is a volume that only those mount who need that password. What is there stays; a variable NAME that isn't
# empty wins over it. Readable by every user, because each image runs as another; the folder is what keeps others out.
set -euo pipefail
umask 022
for folder in "${PASSWORDS_DIR:-/passwords}"/*/; do
  name=$(basename "$folder")
  given=${!name:-}
  if [[ -z $given && -s ${folder}password ]]; then continue; fi
  # Hex: no character that a shell, a connection string or a configuration file would read as more than itself.
  printf %s "${given:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}" >"${folder}password.new"
  # Whole or not at all: a power cut must not leave an empty password.
  sync "${folder}password.new"
  mv "${folder}password.new" "${folder}password"
  echo "made $name"
done
