#!/bin/sh
# Makes the passwords that deploy/kubernetes refers to, as Secrets of the namespace; what is there stays. None is on a command
# line or in a file. With a secret store, have it make Secrets of these names and keys instead.
set -eu
namespace=$(dirname "$0")/base/namespace.yaml
kubectl apply --server-side -f "$namespace"

make() { # NAME USER
  if kubectl -n sightline get secret "$1" >/dev/null 2>&1; then return; fi
  # Hex: no character that a shell, a connection string or a configuration file would read as more than itself.
  kubectl -n sightline create -f - <<SECRET
apiVersion: v1
kind: Secret
metadata: { name: $1 }
type: kubernetes.io/basic-auth
stringData: { username: $2, password: $(od -An -N24 -tx1 /dev/urandom | tr -d ' \n' | sed 's/.*/"&"/') }
SECRET
}

make postgres-superuser postgres
make user-service-password user_service
make order-service-password order_service
make audit-service-password audit_service
make dashboards-password dashboards
make grafana-password admin
