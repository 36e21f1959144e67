# Builds a static binary and puts it, with nothing else, into an image that
# runs as nobody in particular.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=${VERSION}" -o /out/enrichgate ./cmd/enrichgate \
 && mkdir -p /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/enrichgate /enrichgate
# The ledger lives here. Without a volume it dies with the container.
COPY --from=build --chown=65532:65532 /out/data /data
ENV ENRICHGATE_DATA_DIR=/data
VOLUME /data
# Listens there when ENRICHGATE_HTTP_LISTEN=0.0.0.0:8080, which wants ENRICHGATE_ADMIN_TOKEN.
EXPOSE 8080
USER 65532:65532
# Process and ledger alone: OpenCTI away is no reason for a restart.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["/enrichgate", "healthcheck"]
ENTRYPOINT ["/enrichgate"]
CMD ["run"]
