# Images of Outrider: one build stage, and three targets to choose from. docs/images.md says more.
#
#   sidecar   beside one service, with no rights at all
#   node      the same for the node collector: may read root's log files without being root, if the pod lets it
#   debug     node, with a shell and the usual tools, to look around in
#
# What runs is Debian's Python from distroless: no shell, no package manager, no pip. The file system can be read-only, so
# everything is bytecode before it begins, the standard library too, which Debian compiles where it installs.
#
# Every base is a build argument, for places from which these registries are out of reach; the digests are of indexes for
# all platforms. Whoever has a package index of their own gives pip.conf as a secret, and ca.crt if need be, which is
# /run/secrets/ca.crt to pip.conf. They leave no trace in an image. What of Outrider is C takes a compiler, which the
# build stage fetches from Debian if its base has none.

ARG BUILD=docker.io/library/python:3.13-slim-trixie@sha256:3dd7cc108ec1493442514f5c2a871af6af0ec31d768ff6e378a93340c3b3db5f
ARG RUNTIME=gcr.io/distroless/python3-debian13:nonroot@sha256:8ee214843129f43e2ebf5e0ca9f2e4e6d8292143d1b8a6787f169b5898578884
ARG BUSYBOX=docker.io/library/busybox:1.37.0-musl@sha256:5cec3fc171c87218698e85a52af7087de727372aae264a787b8112901a5b0092

FROM ${RUNTIME} AS runtime

FROM ${BUSYBOX} AS busybox

# ---- the runtime without what nothing here imports, and the program as a virtual environment for its Python ----
FROM ${BUILD} AS build
COPY --from=runtime / /runtime
COPY .ci/image /image
RUN /image/runtime /runtime && mkdir /state
WORKDIR /source
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY outrider outrider
COPY collectors collectors
COPY sidecars sidecars
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt /image/environment /opt/outrider

FROM scratch AS sidecar
COPY --from=build /runtime /
COPY --from=build --chown=65532:65532 /state /var/lib/outrider
COPY --from=build /opt/outrider /opt/outrider
ENV PATH=/opt/outrider/bin:/usr/bin \
    LANG=C.UTF-8 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    OUTRIDER_CONFIG=/etc/outrider/outrider.yaml
USER 65532:65532
RUN ["outrider", "--version"]
RUN ["python3", "-c", "import outrider.native._core"]
ENTRYPOINT ["outrider"]
CMD ["sidecar"]
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
ARG RUNTIME
LABEL org.opencontainers.image.title="outrider sidecar" \
      org.opencontainers.image.description="Brings one service's log files and metrics to Google Cloud and Datadog" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${RUNTIME}" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM sidecar AS node
USER 0
RUN --mount=type=bind,from=build,source=/image,target=/tmp ["python3", "/tmp/rights.py", "/opt/outrider/bin/python3"]
USER 65532:65532
CMD ["node"]
LABEL org.opencontainers.image.title="outrider node" \
      org.opencontainers.image.description="Brings the logs and metrics of all pods of a node to Google Cloud and Datadog"

FROM node AS debug
USER 0
COPY --from=busybox /bin/busybox /busybox/busybox
RUN ["/busybox/busybox", "--install", "-s", "/busybox"]
USER 65532:65532
ENV PATH=/opt/outrider/bin:/usr/bin:/busybox
LABEL org.opencontainers.image.title="outrider debug" \
      org.opencontainers.image.description="The node image of Outrider with a shell"
