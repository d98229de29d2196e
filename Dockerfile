# syntax=docker/dockerfile:1
# One image for every process; the command names the process: command_api, query_api, projector, projector relay.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements/runtime.txt .
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --no-deps \
        --require-hashes -r runtime.txt \
    && /opt/venv/bin/pip uninstall --yes --quiet pip \
    && find /opt/venv -type d -name tests -prune -exec rm -rf {} +
COPY events/user_directory_events /app/user_directory_events
COPY command_api /app/command_api
COPY projector /app/projector
COPY query_api /app/query_api
COPY read_models /app/read_models
COPY runtime /app/runtime
# The file system is read-only at run time, so bytecode is made here.
RUN /opt/venv/bin/python -m compileall -q -j 0 /app /opt/venv/lib

FROM ${BASE_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="user-directory" \
      org.opencontainers.image.description="An event-sourced CQRS user directory on Kafka and Redis" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/app \
    COMMAND_API_HOST=0.0.0.0 \
    QUERY_API_HOST=0.0.0.0 \
    PROJECTOR_HOST=0.0.0.0 \
    RELAY_HOST=0.0.0.0
WORKDIR /app
USER 10001:10001
EXPOSE 8001 8002 8003 8004
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["python", "-m", "runtime.healthcheck"]
ENTRYPOINT ["python", "-m"]
CMD ["query_api"]
