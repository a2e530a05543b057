# hedged in two images:
#   docker build --target serve .   the daemon, without torch (the default)
#   docker build --target train .   the same plus torch, to retrain
# serve stands before train: the classic builder makes every stage up to its target, BuildKit only what is needed.
# What changes seldom comes first: a new version of hedged is a layer of a few megabytes on those that are there already.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

FROM ${BASE_IMAGE} AS build
# LightGBM's wheel takes OpenMP from the system; slim images come without.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# pip works from beside: what it installs for does not contain it.
RUN python -m venv /opt/pip && python -m venv --without-pip /opt/hedged
ENV INSTALL="/opt/pip/bin/python -m pip --python /opt/hedged/bin/python install --no-compile"
WORKDIR /src
# The lock is complete: pip must not resolve again (docs/adr/0001-dependency-lock.md).
# A few packages carry files for other Python versions that do not compile: that is not an error.
COPY requirements.lock ./
RUN $INSTALL --no-deps -r requirements.lock \
    && find /opt/hedged/lib -type d -name tests -path '*/site-packages/*' -prune -exec rm -r {} + \
    && { /opt/hedged/bin/python -m compileall -qq -j 0 /opt/hedged/lib || true; }

# The package by itself, so that it is a layer by itself.
FROM build AS package
COPY pyproject.toml ./
COPY hedged ./hedged
RUN $INSTALL --no-deps --no-build-isolation --prefix /package . \
    && /opt/hedged/bin/python -m compileall -qq -j 0 /package/lib
# A day of the demo runs what will be copied, not /src beside it: a file left out of it shows here, not in service.
RUN cp -r /package/. /opt/hedged/ && cd /tmp && /opt/hedged/bin/hedged demo --days 1 --out /tmp/demo && rm -r /tmp/demo

FROM ${BASE_IMAGE} AS serve
# tini is process 1: it passes signals on from the first moment, and reaps what `docker exec` leaves behind.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 tini && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
RUN groupadd --gid 10001 hedged \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/hedged --shell /usr/sbin/nologin hedged \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/hedged \
    && install -d -o 10001 -g 10001 -m 0755 /models \
    && install -d -m 0755 /etc/hedged /usr/share/hedged
ENV PATH=/opt/hedged/bin:$PATH HEDGED_CONFIG=/etc/hedged/config.yaml PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1 ORT_DISABLE_TELEMETRY=1
COPY deploy/container/health /usr/local/bin/health
COPY --from=build /opt/hedged /opt/hedged
COPY --from=package /package /opt/hedged
# The operator mounts a folder at /etc/hedged, with config.yaml in it; the example lies where no mount hides it.
COPY config.example.yaml /usr/share/hedged/
# A relative state_dir, such as the default `state`, lies in the volume: /var/lib/hedged/state.
WORKDIR /var/lib/hedged
VOLUME ["/var/lib/hedged"]
EXPOSE 9464
STOPSIGNAL SIGTERM
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["health"]
ENTRYPOINT ["tini", "--", "hedged"]
CMD ["run"]
ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="hedged" \
      org.opencontainers.image.description="Forecasts perpetual funding on Injective and hedges what it would cost" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

FROM build AS torch
ARG TORCH_VERSION=2.13.0
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN $INSTALL --prefix /torch "torch==${TORCH_VERSION}" --extra-index-url "${TORCH_INDEX}" --retries 1 --timeout 5
# What exports a trained network, at the versions that are tested.
COPY requirements-dev.lock ./
RUN grep -E '^(onnx|onnx-ir|onnxscript|ml-dtypes)==' requirements-dev.lock > /tmp/export.txt \
    && $INSTALL --no-deps --prefix /torch -r /tmp/export.txt \
    && { /opt/hedged/bin/python -m compileall -qq -j 0 /torch/lib || true; }

FROM serve AS train
COPY --from=torch /torch /opt/hedged
HEALTHCHECK NONE
CMD ["train", "--help"]

# Without --target: the daemon.
FROM serve
