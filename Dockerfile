# One image for each of the three services (and, with SERVICE=db, for the migrations):
#   docker build --build-arg SERVICE=order-service -t sightline/order-service .
# Node runs the sources, so there is nothing to compile but a page: what package-lock.json says is installed.
ARG NODE_IMAGE=node:24.21.0-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
# Only what decides about dependencies, so that a change of code keeps this layer. npm wants every workspace it knows of.
COPY package.json package-lock.json .npmrc ./
COPY contracts/package.json contracts/
COPY service-kit/package.json service-kit/
COPY user-service/package.json user-service/
COPY order-service/package.json order-service/
COPY audit-service/package.json audit-service/
COPY db/package.json db/
COPY otlp-messages/package.json otlp-messages/
COPY backend/package.json backend/
COPY console/package.json console/
COPY local/package.json local/
COPY observability/grafana/package.json observability/grafana/

# The gateway's page, which user-service gives: the same for every image, so it is built once.
FROM manifests AS pages
RUN npm ci --omit=dev --ignore-scripts --workspace console
COPY contracts contracts
COPY service-kit service-kit
COPY observability/grafana observability/grafana
COPY console console
RUN node console/build.ts && mv console/dist/*/shop /shop

FROM manifests AS dependencies
ARG SERVICE
# One service's dependencies: no embedded PostgreSQL (optional), no tools (dev), no install scripts.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --workspace "${SERVICE}"

FROM ${NODE_IMAGE} AS service
ENV NODE_ENV=production
WORKDIR /app
# The links in node_modules/@sightline point at the workspaces beside it; Node strips types there, never under node_modules.
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY contracts contracts
COPY service-kit service-kit
ARG SERVICE
COPY ${SERVICE} ${SERVICE}
COPY --from=pages /shop shop-pages
ENV SHOP_PAGES=/app/shop-pages
RUN ln -s "${SERVICE}" service
USER node
EXPOSE 5001 5002 5003
# Bash speaks HTTP well enough: no curl in the image, and no second Node of 40 MB every few seconds.
HEALTHCHECK --interval=5s --timeout=2s --retries=3 --start-period=30s --start-interval=500ms \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$PORT && printf 'GET /ready HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
# Node is process 1 and takes SIGTERM itself: it finishes what is in flight and flushes telemetry.
CMD ["node", "--import", "@sightline/service-kit/register", "service/main.ts"]

# Traffic for the profile `load`.
FROM service AS load
COPY scripts scripts
COPY local local
COPY env env
# What is in the image is root's.
USER root
RUN ln -s ../../local node_modules/@sightline/local
USER node
HEALTHCHECK NONE
CMD ["node", "scripts/load.ts"]

# `docker build .` without a target builds a service.
FROM service
