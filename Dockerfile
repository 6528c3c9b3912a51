# Both services. One image each:
#   docker build --target auth-service -t auth-service .
#   docker build --target resource-service -t resource-service .
# `--build-arg PROFILE=dev` trades the binary's speed for a quicker build.

# Keep in step with rust-version in Cargo.toml.
FROM docker.io/library/rust:1.95-slim-bookworm AS dependencies
WORKDIR /src
# Manifests and empty sources only: these layers are built anew when a dependency changes, not when our code does.
COPY Cargo.toml Cargo.lock ./
COPY shared/Cargo.toml shared/
COPY auth-service/Cargo.toml auth-service/
COPY resource-service/Cargo.toml resource-service/
COPY tests/Cargo.toml tests/
# Without the targets that a manifest names, whose sources are not here; what is left is found by its place.
RUN for package in shared auth-service resource-service tests; do \
      awk '/^\[/ { named = /^\[\[/ } !named' "$package/Cargo.toml" > manifest && mv manifest "$package/Cargo.toml"; \
      mkdir -p "$package/src" && printf '//! Empty.\n' > "$package/src/lib.rs"; \
    done \
 && for package in auth-service resource-service; do printf '//! Empty.\nfn main() {}\n' > "$package/src/main.rs"; done \
 && cargo fetch --locked
ARG PROFILE=release
RUN cargo build --locked --offline --profile "$PROFILE" -p auth-service -p resource-service

FROM dependencies AS build
ARG PROFILE=release
COPY shared shared
COPY auth-service auth-service
COPY resource-service resource-service
# Cargo goes by modification times, and the sources may be older than the empty ones just built.
RUN find shared auth-service resource-service -name '*.rs' -exec touch {} + \
 && cargo build --locked --offline --profile "$PROFILE" -p auth-service -p resource-service \
 && mkdir /out \
 && if [ "$PROFILE" = dev ]; then built=target/debug; else built="target/$PROFILE"; fi \
 && cp "$built/auth-service" "$built/resource-service" /out/

FROM docker.io/library/debian:bookworm-slim AS runtime
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 10001 -g 10001 -m 0700 /data
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /data

FROM runtime AS auth-service
COPY --from=build /out/auth-service /usr/local/bin/
ENV AUTH_LISTEN=0.0.0.0:8080 \
    AUTH_METRICS_LISTEN=0.0.0.0:9080 \
    AUTH_DATA_DIR=/data
EXPOSE 8080 9080
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["auth-service", "healthcheck"]
ENTRYPOINT ["auth-service"]
CMD ["serve"]

FROM runtime AS resource-service
COPY --from=build /out/resource-service /usr/local/bin/
ENV RESOURCE_LISTEN=0.0.0.0:8081 \
    RESOURCE_METRICS_LISTEN=0.0.0.0:9081 \
    RESOURCE_DATA_DIR=/data
EXPOSE 8081 9081
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["resource-service", "healthcheck"]
ENTRYPOINT ["resource-service"]
CMD ["serve"]
