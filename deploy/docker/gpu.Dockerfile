# gpu steps: Merlin, TensorFlow and the encoders, from the repository's root:
#   docker build -f deploy/docker/gpu.Dockerfile -t "$REGISTRY/rec-assets-gpu:$VERSION" .
#
# Not NVIDIA's merlin-tensorflow:23.08, whose Python 3.10 is older than the project's: the same Merlin and TensorFlow 2.12
# on the CUDA 11.8 and cuDNN 8 that this TensorFlow was built for. NVTabular runs on the processor here, without cuDF.
FROM nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04 AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH="/opt/venv/bin:$PATH"

FROM base AS packages
COPY --from=astral/uv:0.13.9 /uv /usr/local/bin/uv
ENV UV_PYTHON_INSTALL_DIR=/opt/python UV_PYTHON=/opt/venv/bin/python
RUN uv python install 3.11.11 && uv venv --python 3.11.11 /opt/venv
WORKDIR /build
COPY pyproject.toml requirements/lock.txt ./
# torch brings a CUDA of its own, which the nodes' driver must know.
ARG UV_TORCH_BACKEND=cu126
RUN uv pip install --no-cache -r pyproject.toml --extra cluster --extra train --extra encoders --constraint lock.txt

FROM base AS runtime
RUN useradd --uid 10001 --create-home --home-dir /home/rec rec
COPY --from=packages /opt/python /opt/python
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY workspace.yaml ./
COPY rec_assets rec_assets
ENV PYTHONPATH=/app REC_HOME=/home/rec/state HF_HUB_OFFLINE=1 TF_FORCE_GPU_ALLOW_GROWTH=true
USER 10001:10001
CMD ["dagster", "--version"]
