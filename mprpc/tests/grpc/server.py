"""A gRPC server with methods of all kinds, for tests of the caller. Prints its port, and stops when its input ends."""

import sys
import time
from concurrent import futures

import grpc


def echo(request, context):
    for key, value in context.invocation_metadata():
        if key in ("tenant", "blob-bin"):
            context.send_initial_metadata(((key, value),)) if key == "tenant" else None
            if key == "blob-bin":
                context.set_trailing_metadata(((key, value),))
    return request


def fail(request, context):
    context.set_trailing_metadata((("cost", "7"), ("grpc-status-details-bin", request)))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no stock: 100 % gone, caf\u00e9")


def sleep(request, context):
    context.add_callback(lambda: print("cancelled" if not context.is_active() else "ended", flush=True))
    end = time.monotonic() + float(request.decode())
    while context.is_active() and time.monotonic() < end:
        time.sleep(0.02)
    return b"awake"


def large(request, context):
    return bytes(int(request.decode()))


def deadline(request, context):
    return str(context.time_remaining()).encode()


def count(request, context):
    for number in range(int(request.decode())):
        yield str(number).encode()


def total(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def talk(requests, context):
    for request in requests:
        yield request.upper()


HANDLERS = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
    "Large": grpc.unary_unary_rpc_method_handler(large),
    "Deadline": grpc.unary_unary_rpc_method_handler(deadline),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Total": grpc.stream_unary_rpc_method_handler(total),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
}


def main():
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    options += [("grpc.max_concurrent_streams", int(sys.argv[1]))] if len(sys.argv) > 1 else []
    compression = grpc.Compression.Gzip if "gzip" in sys.argv else grpc.Compression.NoCompression
    server = grpc.server(futures.ThreadPoolExecutor(16), options=options, compression=compression)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Peer", HANDLERS),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    for line in sys.stdin:
        if line.strip() == "stop":
            server.stop(grace=5)
    server.stop(grace=0).wait()


main()
