# spikeloop in a container, as a user without privileges:
#   docker build -t spikeloop .
#   docker run --rm -it --network host spikeloop stream m1-sim
#   docker run --rm -it --network host spikeloop web
# LSL and the page stay on this machine. With --network host its programs find the stream, and its browser the page;
# without it, only the container does. For LSL on a network: -v /path/to/lsl_api.cfg:/etc/lsl_api/lsl_api.cfg:ro
FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim
COPY constraints.txt /tmp/
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir -c /tmp/constraints.txt "$(ls /wheels/*.whl)[cpu,web,mqtt,monitor,hub,sign]" \
    && rm /tmp/constraints.txt \
    && mkdir /etc/lsl_api \
    && printf '[multicast]\nResolveScope = machine\n' > /etc/lsl_api/lsl_api.cfg \
    && useradd --create-home spikeloop
USER spikeloop
WORKDIR /home/spikeloop
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["spikeloop"]
CMD ["stream"]
