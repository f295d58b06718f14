# gpu steps: Merlin, TensorFlow and the encoders. Build from the repository's root:
#   docker build -f deploy/docker/gpu.Dockerfile -t "$REGISTRY/rec-assets-gpu:$VERSION" .
#
# The CUDA 12 libraries of TensorFlow and the CUDA 13 libraries of torch are Python packages. The node provides the driver,
# 580 or later. NVTabular runs on the CPU.
FROM python:3.12-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 UV_PYTHON=/opt/venv/bin/python PATH="/opt/venv/bin:$PATH"

FROM base AS packages
RUN pip install --no-cache-dir uv==0.13.9 && uv venv --python /usr/local/bin/python /opt/venv
WORKDIR /build
COPY pyproject.toml README.md requirements/lock.txt requirements/gpu.txt requirements/torch.txt ./
COPY rec_assets rec_assets
# FAISS is the CUDA build from gpu.txt.
RUN printf 'faiss-cpu\n' > excludes.txt \
  && uv pip install --no-cache -r pyproject.toml --extra cluster --extra train --extra encoders -r gpu.txt -r torch.txt --excludes excludes.txt --constraint lock.txt \
  && uv pip install --no-cache --no-deps .

FROM base AS runtime
# FAISS and ONNX Runtime need libgomp.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1=12.2.0-14+deb12u1 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --create-home --home-dir /home/rec rec
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY workspace.yaml ./
ENV REC_HOME=/home/rec/state HF_HUB_OFFLINE=1 TF_FORCE_GPU_ALLOW_GROWTH=true
USER 10001:10001
CMD ["dagster", "--version"]
