# The service and nothing else: one static binary on an empty image, as a user without rights.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t userapi .
#   docker run --rm -p 127.0.0.1:8080:8080 -e USERAPI_AUTH_ALLOW_ANONYMOUS=true userapi
#
# It listens on every interface of the container, so it does not start until it is told whom to let in:
# everybody, as above for a look at it, or those with a password, a key or a token (docs/operations.md).
#
# deploy/validate builds this file's own lines and runs the result as this image would.

ARG GO_VERSION=1.26.8

# The compiler runs on the builder's own platform and cross-compiles, which needs no emulation.
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
WORKDIR /src

# A layer of its own: as long as the modules stay the same, they are not downloaded again.
COPY go.mod go.sum ./
RUN go mod download

# The flags are BUILD of the Makefile. There is no .git here (.dockerignore), so the commit is in the
# image's label and not in the binary.
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -tags nomsgpack -ldflags "-s -w" -o /out/userapi .

# An empty image has no mkdir, so the folder for SQLite is made here.
RUN mkdir -p /out/data

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="userapi" \
      org.opencontainers.image.description="A users service over a REST API" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# What PostgreSQL, MySQL and Redis over TLS are checked against.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/userapi /userapi
COPY --from=build --chown=65532:65532 /out/data /data

# By number, because Kubernetes can tell only of a number that it is not root.
USER 65532:65532

# Where relative paths lead, those of storage.dsn too, and where SQLite puts its temporary files when
# there is no /tmp. A volume that is mounted here first gets the owner of this folder.
WORKDIR /data
VOLUME /data

ENV USERAPI_HTTP_ADDR=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM

# The binary asks itself: there is no shell and no curl. Kubernetes ignores this and has its own probes.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["/userapi", "--healthcheck"]

ENTRYPOINT ["/userapi"]
