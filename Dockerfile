# The operator's image. `docker build .` does it as it stands; `make image` does it without a daemon, and without a
# registry or a package index where none answers: then BASE is made locally, and PIP_OPTIONS names a folder of wheels.
# Nothing here names an architecture: `docker buildx build --platform linux/amd64,linux/arm64 .` makes an image of both.
# `make update-dependencies` writes the digest, which is that of the index of all platforms.
ARG BASE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${BASE} AS build
ARG PIP_OPTIONS=""
ARG VERSION=""
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY hack/requirements hack/requirements
# pip refuses a package that is not in these files, or has another hash.
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --no-compile --require-hashes ${PIP_OPTIONS} -r hack/requirements/build.txt \
 && python3 -m venv /opt/taskaction \
 && /opt/taskaction/bin/pip install --no-cache-dir --no-compile --require-hashes ${PIP_OPTIONS} -r hack/requirements/runtime.txt
COPY operator operator
COPY crds crds
RUN SETUPTOOLS_SCM_PRETEND_VERSION=${VERSION} /opt/build/bin/python3 -m hatchling build --target wheel --directory /opt/wheel \
 && /opt/taskaction/bin/pip install --no-cache-dir --no-compile --no-index --no-deps /opt/wheel/*.whl \
 && /opt/taskaction/bin/pip check \
 && /opt/taskaction/bin/pip uninstall --yes pip setuptools \
 # Half of this package is its asynchronous twin, which nothing imports.
 && rm -r /opt/taskaction/lib/python3*/site-packages/kubernetes/aio
# What is in it, for scanners: a bill of materials as CycloneDX has it. Debian's packages are in dpkg's own list.
RUN /opt/build/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
      --output-file /opt/taskaction/sbom.cdx.json /opt/taskaction/bin/python3

FROM ${BASE}
LABEL org.opencontainers.image.title="taskaction-operator" \
      org.opencontainers.image.description="A Kubernetes operator for which one custom resource is one action" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/taskaction /opt/taskaction
COPY LICENSE /opt/taskaction/
# Bytecode of just what is imported: the root is read-only later, and compiling at each start would take seconds.
RUN ["/opt/taskaction/bin/python3", "-c", "import taskaction.app.operator, taskaction.cli.program, taskaction.integrations.port.agent.agent, taskaction.services.webhooks.service, taskaction.integrations.flyte.service.service, taskaction.history.schema, taskaction.services.history.service, taskaction.services.console.service; from importlib.metadata import entry_points; [plugin.load() for plugin in entry_points(group='taskaction.executors')]"]
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/opt/taskaction/bin/taskaction"]
