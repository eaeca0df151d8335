# One stage for each image of compose.yaml. A clone may be readable by its owner only, the images are not.
# None runs as root: a fresh volume has the owner, and a fresh tmpfs the mode, of the folder that it covers.

FROM rabbitmq:4-management AS rabbitmq
COPY --chmod=644 stack/compose/rabbitmq/* /etc/rabbitmq/
RUN install --directory --owner rabbitmq --group rabbitmq --mode 700 /var/lib/rabbitmq
USER rabbitmq

FROM postgres:17 AS postgres
COPY --chmod=644 stack/compose/postgres/* /docker-entrypoint-initdb.d/
RUN install --directory --owner postgres --group postgres --mode 700 /var/lib/postgresql/data && \
    install --directory --mode 1777 /run/postgresql
USER postgres

# On the same Debian as the services: one image less to fetch.
FROM python:3.13-slim AS balancer
RUN apt-get update && apt-get install --yes --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*
COPY --chmod=644 stack/compose/balancer/haproxy.cfg /etc/haproxy/haproxy.cfg
USER haproxy
ENTRYPOINT ["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"]

FROM python:3.13-slim AS build
COPY requirements.lock .
RUN python -m venv --without-pip /opt/venv && \
    python -m pip --python /opt/venv/bin/python --disable-pip-version-check \
        install --quiet --no-cache-dir --no-deps --require-hashes -r requirements.lock
WORKDIR /app
COPY . .
# Bytecode is made here, because nothing can be written later.
RUN rm -r stack/compose && chmod -R a+rX,go-w . && python -m compileall -q .

# Every process of ours; the command says which: `point_svc.main`, `stack.platform`, …
FROM python:3.13-slim AS python
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app && \
    install --directory --owner app --group app /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER app
EXPOSE 8000
ENTRYPOINT ["python", "-m"]
