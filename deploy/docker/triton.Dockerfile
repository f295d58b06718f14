# Requests: a current Triton and the serving package, no TensorFlow, no Merlin, no Dagster; from the repository's root:
#   docker build -f deploy/docker/triton.Dockerfile --build-arg NVIDIA="$NVIDIA" -t "$REGISTRY/rec-assets-triton:$VERSION" .
# NVIDIA is the host of its registry, or of your mirror. Take the newest release: older ones have known holes in the
# control API and the Python backend.
ARG NVIDIA
ARG TRITON=25.10-py3
FROM ${NVIDIA}/nvidia/tritonserver:${TRITON} AS packages
# The Python backend's stub takes its packages from the first python3 on PATH, which is this environment's.
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
# One process a model: threads of NumPy and FAISS would only fight over the cores.
ENV PATH="/opt/venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 REC_HOME=/state OMP_NUM_THREADS=1
EXPOSE 8000 8001 8002
HEALTHCHECK CMD ["curl", "--fail", "--silent", "http://127.0.0.1:8000/v2/health/live"]
USER 10001:10001
