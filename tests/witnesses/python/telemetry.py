"""Receives telemetry and tells what came, one JSON object a line.

    python telemetry.py [--grpc-status CODE] [--partial COUNT] [--tls CERT KEY CA]

OTLP over HTTP and gRPC is decoded with the messages that OpenTelemetry publishes; Prometheus remote write with messages
built here from the published field numbers, and a snappy reader of its own. The first line on stdout names the ports.
"""

import argparse
import gzip
import json
import ssl
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

SIGNALS = {
    "metrics": (metrics_service_pb2.ExportMetricsServiceRequest, metrics_service_pb2.ExportMetricsServiceResponse),
    "traces": (trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse),
    "logs": (logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse),
}
REJECTED = {"metrics": "rejected_data_points", "traces": "rejected_spans", "logs": "rejected_log_records"}

said = threading.Lock()


def tell(**what) -> None:
    with said:
        print(json.dumps(what), flush=True)


def remote_write_messages():
    """prometheus.WriteRequest and io.prometheus.write.v2.Request, by their published numbers."""
    F = descriptor_pb2.FieldDescriptorProto
    kinds = {"double": F.TYPE_DOUBLE, "int64": F.TYPE_INT64, "uint32": F.TYPE_UINT32, "uint64": F.TYPE_UINT64,
             "string": F.TYPE_STRING, "enum": F.TYPE_INT32}
    messages = {
        "v1.Label": [("name", 1, "string", 0), ("value", 2, "string", 0)],
        "v1.Sample": [("value", 1, "double", 0), ("timestamp", 2, "int64", 0)],
        "v1.TimeSeries": [("labels", 1, "v1.Label", 1), ("samples", 2, "v1.Sample", 1)],
        "v1.MetricMetadata": [("type", 1, "enum", 0), ("metric_family_name", 2, "string", 0), ("help", 4, "string", 0),
                              ("unit", 5, "string", 0)],
        "v1.WriteRequest": [("timeseries", 1, "v1.TimeSeries", 1), ("metadata", 3, "v1.MetricMetadata", 1)],
        "v2.Sample": [("value", 1, "double", 0), ("timestamp", 2, "int64", 0), ("start_timestamp", 3, "int64", 0)],
        "v2.Exemplar": [("labels_refs", 1, "uint32", 1), ("value", 2, "double", 0), ("timestamp", 3, "int64", 0)],
        "v2.Metadata": [("type", 1, "enum", 0), ("help_ref", 3, "uint32", 0), ("unit_ref", 4, "uint32", 0)],
        "v2.TimeSeries": [("labels_refs", 1, "uint32", 1), ("samples", 2, "v2.Sample", 1),
                          ("exemplars", 4, "v2.Exemplar", 1), ("metadata", 5, "v2.Metadata", 0)],
        "v2.Request": [("symbols", 4, "string", 1), ("timeseries", 5, "v2.TimeSeries", 1)],
    }
    file = descriptor_pb2.FileDescriptorProto(name="remote_write.proto", syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name.replace(".", "_"))
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number)
            added.label = F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL
            if kind in kinds:
                added.type = kinds[kind]
            else:
                added.type, added.type_name = F.TYPE_MESSAGE, "." + kind.replace(".", "_")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    built = lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
    return built("v1_WriteRequest"), built("v2_Request")


def unsnapped(data: bytes) -> bytes:
    """The snappy block format: a length, then literals and copies."""
    at = shift = length = 0
    while True:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == 0:
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + size + 1]
            at += size + 1
            continue
        if kind == 1:
            size, offset, extra = ((tag >> 2) & 7) + 4, (tag >> 5) << 8 | data[at], 1
        else:
            extra = 2 if kind == 2 else 4
            size, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + extra], "little")
        at += extra
        for _ in range(size):
            out.append(out[-offset])
    assert len(out) == length, "the length is not what was announced"
    return bytes(out)


def plain(message) -> dict:
    return MessageToDict(message, preserving_proto_field_name=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--grpc-status", default=None)
    parser.add_argument("--partial", type=int, default=0)
    parser.add_argument("--tls", nargs=3, default=None)
    options = parser.parse_args()
    write_v1, write_v2 = remote_write_messages()

    def response(signal: str):
        answer = SIGNALS[signal][1]()
        if options.partial:
            setattr(answer.partial_success, REJECTED[signal], options.partial)
            answer.partial_success.error_message = "not all of it"
        return answer

    class Http(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            signal = self.path.rsplit("/", 1)[-1].split("?")[0]
            if "remote-write-version" in " ".join(headers):
                is_v2 = "write.v2" in headers["content-type"]
                message = (write_v2 if is_v2 else write_v1).FromString(unsnapped(body))
                tell(via="remote_write", path=self.path, headers=headers, message=plain(message))
                self.send_response(204)
                if is_v2:
                    samples = sum(len(series.samples) for series in message.timeseries)
                    self.send_header("X-Prometheus-Remote-Write-Samples-Written", str(samples))
                self.end_headers()
                return
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if signal not in SIGNALS:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            message = plain(SIGNALS[signal][0].FromString(body))
            tell(via="http", path=self.path, signal=signal, headers=headers, message=message)
            answer = response(signal).SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    def service(base, signal):
        class Service(base):
            def Export(self, request, context):
                headers = dict(context.invocation_metadata())
                tell(via="grpc", signal=signal, headers=headers, message=plain(request))
                if options.grpc_status:
                    context.abort(getattr(grpc.StatusCode, options.grpc_status), "told to refuse")
                return response(signal)

        return Service()

    server = grpc.server(futures.ThreadPoolExecutor(4))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(
        service(metrics_service_pb2_grpc.MetricsServiceServicer, "metrics"), server)
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(
        service(trace_service_pb2_grpc.TraceServiceServicer, "traces"), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(
        service(logs_service_pb2_grpc.LogsServiceServicer, "logs"), server)
    if options.tls:
        cert, key, ca = (open(path, "rb").read() for path in options.tls)
        credentials = grpc.ssl_server_credentials([(key, cert)], root_certificates=ca, require_client_auth=True)
        grpc_port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
    if options.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.tls[2])
        context.load_cert_chain(options.tls[0], options.tls[1])
        context.verify_mode = ssl.CERT_REQUIRED
        http.socket = context.wrap_socket(http.socket, server_side=True)
    tell(http=http.server_address[1], grpc=grpc_port)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
