# hedged in two images:
#   docker build --target serve .   the daemon, without torch (the default)
#   docker build --target train .   the same plus torch, to retrain
# serve stands before train: the classic builder makes every stage up to its target, BuildKit only what is needed.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS build
# LightGBM's wheel takes OpenMP from the system; slim images come without.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/hedged
# The lock is complete: pip must not resolve again (docs/adr/0001-dependency-lock.md).
COPY requirements.lock ./
RUN /opt/hedged/bin/python -m pip install --no-deps --no-compile -r requirements.lock
COPY pyproject.toml ./
COPY hedged ./hedged
# A few packages carry files for other Python versions that do not compile: that is not an error.
RUN /opt/hedged/bin/python -m pip install --no-deps --no-build-isolation --no-compile . \
    && { /opt/hedged/bin/python -m compileall -qq -j 0 /opt/hedged/lib || true; }
# A day of the demo runs the installed package, not /src beside it: a file left out of it shows here, not in service.
RUN cd /tmp && /opt/hedged/bin/hedged demo --days 1 --out /tmp/demo && rm -r /tmp/demo

# What both images share: an unprivileged user, where things lie, how to ask and how to stop.
FROM ${BASE_IMAGE} AS base
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 hedged \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/hedged --shell /usr/sbin/nologin hedged \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/hedged \
    && install -d -m 0755 /etc/hedged
ENV PATH=/opt/hedged/bin:$PATH HEDGED_CONFIG=/etc/hedged/config.yaml PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1
# The operator mounts /etc/hedged/config.yaml; the example lies beside it.
COPY config.example.yaml /etc/hedged/
# A relative state_dir, such as the default `state`, lies in the volume: /var/lib/hedged/state.
WORKDIR /var/lib/hedged
VOLUME ["/var/lib/hedged"]
EXPOSE 9464
STOPSIGNAL SIGTERM
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 9464, timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["hedged"]
CMD ["run", "--config", "/etc/hedged/config.yaml"]

FROM base AS serve
COPY --from=build /opt/hedged /opt/hedged

FROM build AS build-train
ARG TORCH_VERSION=2.13.0
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN /opt/hedged/bin/python -m pip install "torch==${TORCH_VERSION}" \
    --extra-index-url "${TORCH_INDEX}" --retries 1 --timeout 5
# What exports a trained network, at the versions that are tested.
COPY requirements-dev.lock ./
RUN grep -E '^(onnx|onnx-ir|onnxscript|ml-dtypes)==' requirements-dev.lock > /tmp/export.txt \
    && /opt/hedged/bin/python -m pip install --no-deps --no-compile -r /tmp/export.txt

FROM base AS train
COPY --from=build-train /opt/hedged /opt/hedged
HEALTHCHECK NONE
CMD ["--help"]

# Without --target: the daemon.
FROM serve
