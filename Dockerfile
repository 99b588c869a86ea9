# The operator's image. `docker build .` does it as it stands; `make image` does it without a daemon, and without a
# registry or a package index where none answers: then BASE is made locally, and PIP_OPTIONS names a folder of wheels.
# Nothing here names an architecture: `docker buildx build --platform linux/amd64,linux/arm64 .` makes an image of both.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
ARG PIP_OPTIONS=""
ARG VERSION=""
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY hack/constraints.txt hack/
COPY operator operator
COPY crds crds
RUN python3 -m venv /opt/taskaction \
 && SETUPTOOLS_SCM_PRETEND_VERSION=${VERSION} PIP_CONSTRAINT=hack/constraints.txt /opt/taskaction/bin/pip install --no-cache-dir --no-compile ${PIP_OPTIONS} ".[actions]" \
 && /opt/taskaction/bin/pip uninstall --yes pip setuptools \
 # Half of this package is its asynchronous twin, which nothing imports.
 && rm -r /opt/taskaction/lib/python3*/site-packages/kubernetes/aio
# What is in it, for scanners: a bill of materials as CycloneDX has it. Debian's packages are in dpkg's own list.
RUN python3 -m venv /opt/sbom \
 && PIP_CONSTRAINT=hack/constraints.txt /opt/sbom/bin/pip install --no-cache-dir --no-compile ${PIP_OPTIONS} cyclonedx-bom \
 && /opt/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
      --output-file /opt/taskaction/sbom.cdx.json /opt/taskaction/bin/python3

FROM ${BASE}
LABEL org.opencontainers.image.title="taskaction-operator" \
      org.opencontainers.image.description="A Kubernetes operator for which one custom resource is one action" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/taskaction /opt/taskaction
COPY LICENSE /opt/taskaction/
# Bytecode of just what is imported: the root is read-only later, and compiling at each start would take seconds.
RUN ["/opt/taskaction/bin/python3", "-c", "import taskaction.app.operator, taskaction.cli.program, taskaction.integrations.port.agent.agent, taskaction.services.webhooks.service, taskaction.integrations.flyte.service.service; from importlib.metadata import entry_points; [plugin.load() for plugin in entry_points(group='taskaction.executors')]"]
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/opt/taskaction/bin/taskaction"]
