# All processes from one build; one small image each.
#   docker build --target scheduler -t fleetcast/scheduler:0.1.0 .
# The build stage holds compilers and headers; the images hold one program and the shared libraries that Debian ships.

FROM debian:12 AS build
WORKDIR /src
COPY scripts/ scripts/
RUN scripts/install-deps
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake/ cmake/
COPY proto/ proto/
COPY libs/ libs/
COPY services/ services/
COPY tools/ tools/
RUN cmake --preset release -DFLEETCAST_TESTS=OFF && cmake --build --preset release && strip build/release/bin/*

FROM debian:12-slim AS runtime
COPY --from=build /etc/apt/sources.list.d/ /etc/apt/sources.list.d/
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgrpc++1.51 libpqxx-6.4 libhiredis0.14 libspdlog1.10 libfmt9 libssl3 \
      libprometheus-cpp-core1.0 libprometheus-cpp-pull1.0 ca-certificates \
 && apt-get install -y --no-install-recommends -t bookworm-backports libboost-json1.83.0 opentelemetry-cpp \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin fleetcast
USER 10001:10001

FROM runtime AS job-api
COPY --from=build /src/build/release/bin/fleetcast-job-api /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fleetcast-job-api"]

FROM runtime AS scheduler
COPY --from=build /src/build/release/bin/fleetcast-scheduler /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fleetcast-scheduler"]

FROM runtime AS twin
COPY --from=build /src/build/release/bin/fleetcast-twin /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fleetcast-twin"]

FROM runtime AS method-dispatch
COPY --from=build /src/build/release/bin/fleetcast-method-dispatch /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fleetcast-method-dispatch"]

FROM runtime AS device-connection
COPY --from=build /src/build/release/bin/fleetcast-device-connection /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fleetcast-device-connection"]

FROM runtime AS mqtt-edge
COPY --from=build /src/build/release/bin/fleetcast-mqtt-edge /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fleetcast-mqtt-edge"]

FROM runtime AS rest-gateway
COPY --from=build /src/build/release/bin/fleetcast-rest-gateway /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fleetcast-rest-gateway"]

FROM runtime AS tools
COPY --from=build /src/build/release/bin/fleetcast /src/build/release/bin/fleetsim /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fleetcast"]
