# Orchestration (code location, webserver, daemon) and cpu steps. Build from the repository's root:
#   docker build -f deploy/docker/steps.Dockerfile --target orchestration -t "$REGISTRY/rec-assets:$VERSION" .
#   docker build -f deploy/docker/steps.Dockerfile --target cpu -t "$REGISTRY/rec-assets-cpu:$VERSION" .
FROM python:3.12-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 UV_PYTHON=/opt/venv/bin/python PATH="/opt/venv/bin:$PATH"

FROM base AS uv
RUN pip install --no-cache-dir uv==0.13.9 && uv venv --python /usr/local/bin/python /opt/venv
WORKDIR /build
COPY pyproject.toml README.md requirements/lock.txt requirements/cpu.txt ./
COPY rec_assets rec_assets

# The packages are listed in pyproject.toml, their versions in the locks. The project itself is installed as a package.
FROM uv AS packages
RUN uv pip install --no-cache -r pyproject.toml --extra cluster --extra tracing --constraint lock.txt --constraint cpu.txt \
  && uv pip install --no-cache --no-deps .

# Workflows, training sets and exports need Merlin. Evaluations and bundles read the training set. No cpu step needs torch.
# TensorFlow is the CPU build from cpu.txt.
FROM uv AS cpu-packages
RUN printf 'tensorflow\n' > excludes.txt \
  && uv pip install --no-cache -r pyproject.toml --extra cluster --extra train -r cpu.txt --excludes excludes.txt --constraint lock.txt \
  && uv pip install --no-cache --no-deps .

FROM base AS runtime
# FAISS and ONNX Runtime need libgomp.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1=12.2.0-14+deb12u1 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --create-home --home-dir /home/rec rec
WORKDIR /app
COPY workspace.yaml ./
COPY feature_repo feature_repo
# The only writable folder: a volume on the pod's local disk.
ENV REC_HOME=/home/rec/state
USER 10001:10001

FROM runtime AS cpu
COPY --from=cpu-packages /opt/venv /opt/venv
CMD ["dagster", "--version"]

FROM runtime AS orchestration
COPY --from=packages /opt/venv /opt/venv
EXPOSE 3030
HEALTHCHECK CMD ["dagster", "api", "grpc-health-check", "--port", "3030"]
CMD ["dagster", "code-server", "start", "--host", "0.0.0.0", "--port", "3030", "--module-name", "rec_assets.definitions"]
