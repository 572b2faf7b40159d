# One image for the plant and the gateway: `docker compose up` starts it as both.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/conche
ENV PATH=/opt/conche/bin:$PATH
# What is installed is locked with hashes; the layer changes only when the lock does.
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY requirements/runtime.in requirements/
COPY conche conche
COPY plant_model plant_model
COPY opcua_server opcua_server
COPY gateway gateway
RUN pip install --no-cache-dir --no-deps --no-index --no-build-isolation .

FROM python:3.12-slim
ENV PATH=/opt/conche/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/conche conche
COPY --from=build /opt/conche /opt/conche
COPY config /etc/conche
USER conche
WORKDIR /var/lib/conche
VOLUME /var/lib/conche
STOPSIGNAL SIGINT
ENTRYPOINT ["conche"]
CMD ["--help"]
