# Serving: a current Triton and the serving package; no TensorFlow, no Merlin, no Dagster. Build from the repository's root:
#   docker build -f deploy/docker/triton.Dockerfile --build-arg NVIDIA="$NVIDIA" -t "$REGISTRY/rec-assets-triton:$VERSION" .
# NVIDIA is the host of NVIDIA's registry, or of your mirror. Use the newest release: older releases have known
# vulnerabilities in the control API and the Python backend.
ARG NVIDIA
ARG TRITON=25.10-py3
FROM ${NVIDIA}/nvidia/tritonserver:${TRITON} AS packages
# The stub of the Python backend imports packages from the first python3 on PATH: the python3 of this environment.
RUN python3 -m venv --without-pip /opt/venv
COPY --from=astral/uv:0.13.9 /uv /usr/local/bin/uv
ENV UV_PYTHON=/opt/venv/bin/python
WORKDIR /build
COPY pyproject.toml README.md requirements/serving.txt ./
COPY rec_assets rec_assets
RUN uv pip install --no-cache --no-deps --require-hashes -r serving.txt \
  && uv pip install --no-cache --no-deps .

FROM ${NVIDIA}/nvidia/tritonserver:${TRITON}
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
# Each model has a process of its own, so several threads in NumPy and FAISS would only compete for the cores.
ENV PATH="/opt/venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 REC_HOME=/state OMP_NUM_THREADS=1 \
  NUMBA_CACHE_DIR=/state/compiled
EXPOSE 8000 8001 8002
HEALTHCHECK CMD ["curl", "--fail", "--silent", "http://127.0.0.1:8000/v2/health/live"]
USER 10001:10001
