# One image for every service; the command names the binary. Pin BASE by digest where it matters.
#   docker build -t homeport .
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive
COPY deploy/local/packages.txt /src/deploy/local/packages.txt
RUN apt-get update \
    && awk '$1 == "build" {print $2}' /src/deploy/local/packages.txt \
       | xargs apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY proto proto
COPY libs libs
COPY services services
RUN cmake --preset release -DHOMEPORT_TESTS=OFF \
    && cmake --build --preset release --target homeport-registry homeport-gateway homeport-fleet \
    && mkdir -p /out/bin \
    && for program in registry gateway fleet; do \
         strip -o "/out/bin/homeport-$program" "build/release/bin/homeport-$program"; \
       done
# The Debian packages whose libraries the binaries load: what the runtime image installs. A library
# may be known to dpkg under / or under /usr.
RUN for library in $(ldd /out/bin/* | awk '$3 ~ /^\// {print $3}' | sort -u); do \
      dpkg -S "$library" 2>/dev/null || dpkg -S "/usr$library"; \
    done | cut -d: -f1 | sort -u > /out/packages

FROM ${BASE} AS runtime
RUN --mount=type=bind,from=build,source=/out,target=/out \
    apt-get update \
    && DEBIAN_FRONTEND=noninteractive xargs -a /out/packages \
       apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 homeport \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir / --shell /usr/sbin/nologin homeport
COPY --from=build /out/bin/ /usr/local/bin/
USER 65532:65532
CMD ["homeport-gateway", "--help"]
