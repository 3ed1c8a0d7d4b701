# Swiftwater in a container: the Debian package, made in one stage and installed in another.
#
#   docker build -t swiftwater .
#   docker run -p 9092:9092 -p 8081:8081 -p 8083:8083 -p 8088:8088 -p 8080:8080 -v swiftwater:/var/lib/swiftwater \
#       -e SWIFTWATER_ADVERTISED=localhost:9092 swiftwater
#
# No port asks who its clients are unless it is told to (docs/security.md, docs/web-security.md): whoever reaches a published
# port may read and write.
ARG SWIFT=6.3
FROM swift:${SWIFT}-bookworm AS build
WORKDIR /source
COPY . .
RUN ./dev package --output /package

FROM debian:bookworm-slim
RUN --mount=type=bind,from=build,source=/package,target=/package \
    apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata /package/*.deb \
    && rm -rf /var/lib/apt/lists/*
USER swiftwater
WORKDIR /var/lib/swiftwater
VOLUME /var/lib/swiftwater
ENV SWIFTWATER_CONFIG=/etc/swiftwater/swiftwater.properties \
    SWIFTWATER_INSECURE=true \
    SWIFTWATER_KAFKA=0.0.0.0:9092 \
    SWIFTWATER_REGISTRY_LISTENER=0.0.0.0:8081 \
    SWIFTWATER_CONNECT_LISTENER=0.0.0.0:8083 \
    SWIFTWATER_SQL_LISTENER=0.0.0.0:8088 \
    SWIFTWATER_CONSOLE_LISTENER=0.0.0.0:8080 \
    SWIFTWATER_ADMIN=0.0.0.0:9464
EXPOSE 9092 8080 8081 8083 8088 9464
# The port of the admin role, /readyz, is for supervisors that can ask by HTTP.
HEALTHCHECK --start-period=30s CMD ["swiftwater", "cluster", "describe", "-b", "127.0.0.1:9092", "--timeout", "5"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["swiftwater"]
CMD ["start"]
