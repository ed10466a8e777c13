# The image of maildns-exporter: Python, the locked dependencies and the package.
#
# The base is pinned by digest; renovate proposes newer ones. To use another base in both stages:
#   docker build --build-arg PYTHON_IMAGE=registry.example.org/python@sha256:... .
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/run.lock requirements/build.lock requirements/
# Every dependency is a wheel with a hash in the lock: nothing is compiled, and no code runs to install it.
# The build tools have their own environment, so that the packages of the base stay unchanged.
RUN ["python", "-m", "venv", "--without-pip", "/opt/maildns-exporter"]
RUN ["python", "-m", "pip", "--python", "/opt/maildns-exporter", "install", "--require-hashes", "--only-binary", ":all:", "-r", "requirements/run.lock"]
RUN ["python", "-m", "venv", "--without-pip", "/opt/build"]
RUN ["python", "-m", "pip", "--python", "/opt/build", "install", "--require-hashes", "--only-binary", ":all:", "-r", "requirements/build.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN ["python", "-m", "pip", "--python", "/opt/build", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "/wheel", "."]
RUN ["python", "-m", "pip", "--python", "/opt/maildns-exporter", "install", "--no-deps", "--no-index", "--find-links", "/wheel", "maildns-exporter"]
RUN ["python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/opt/maildns-exporter/lib"]
# The folder of the database: a new volume mounted there gets this owner, the exporter's user.
RUN ["python", "-c", "import os; os.makedirs('/state/maildns-exporter', 0o750)"]

FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="maildns-exporter" \
      org.opencontainers.image.description="Prometheus exporter for outbound mail DNS health" \
      org.opencontainers.image.source="https://github.com/maildns-exporter/maildns-exporter" \
      org.opencontainers.image.documentation="https://github.com/maildns-exporter/maildns-exporter/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/maildns-exporter /opt/maildns-exporter
COPY --from=build --chown=65532:65532 /state /var/lib
ENV PATH=/opt/maildns-exporter/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /etc/maildns-exporter
EXPOSE 10047
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:10047/-/healthy', timeout=4)"]
ENTRYPOINT ["maildns-exporter"]
CMD ["--config.file=/etc/maildns-exporter/maildns.yml"]
