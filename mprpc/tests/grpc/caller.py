"""Calls a server of `tests/grpc/main.rs` with grpcio: `caller.py checks ADDRESS COMPRESSIONS`, or `load ADDRESS ADDRESS`.

`checks` runs every check below and prints its name. `load` prints a line, makes calls until its input ends, and prints how
many it made; it fails if one of them fails.
"""

import sys
import threading
import time

import grpc

LARGE = bytes(range(256)) * (10 << 12)


class Service:
    """The methods of the service, with messages as bytes."""

    def __init__(self, target, options=()):
        unbounded = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(target, options=[*unbounded, *options])
        self.echo = self.channel.unary_unary("/test.Grpc/Echo")
        self.slow = self.channel.unary_unary("/test.Grpc/Slow")
        self.fail = self.channel.unary_unary("/test.Grpc/Fail")
        self.hang = self.channel.unary_unary("/test.Grpc/Hang")
        self.dropped = self.channel.unary_unary("/test.Grpc/Dropped")
        self.nothing = self.channel.unary_unary("/test.Grpc/Nothing")
        self.count = self.channel.unary_stream("/test.Grpc/Count")
        self.total = self.channel.stream_unary("/test.Grpc/Total")
        self.talk = self.channel.stream_stream("/test.Grpc/Talk")


def four_call_types(service):
    assert service.echo(b"hello") == b"hello"
    assert service.echo(b"") == b""
    assert list(service.count(b"1000")) == [str(number).encode() for number in range(1000)]
    assert list(service.count(b"0")) == []
    assert service.total(bytes([7]) * 1000 for _ in range(1000)) == b"1000000"
    assert service.total(iter([])) == b"0"
    assert list(service.talk(str(number).encode() for number in range(1000))) == list(service.count(b"1000"))


def stream_alternates(service):
    next_message = threading.Event()
    sent = []

    def requests():
        for number in range(100):
            next_message.wait()
            next_message.clear()
            sent.append(str(number).encode())
            yield sent[-1]

    replies = service.talk(requests())
    for number in range(100):
        next_message.set()
        assert next(replies) == str(number).encode()
        assert len(sent) == number + 1
    assert list(replies) == []


def deadline_stops_the_handler(service):
    before = int(service.dropped(b""))
    begin = time.monotonic()
    failed = failure(lambda: service.hang(b"", timeout=0.3))
    assert failed.code() == grpc.StatusCode.DEADLINE_EXCEEDED, failed
    assert 0.2 < time.monotonic() - begin < 3
    wait_until(lambda: int(service.dropped(b"")) == before + 1)


def cancel_stops_the_handler(service):
    before = int(service.dropped(b""))
    call = service.hang.future(b"")
    time.sleep(0.1)
    call.cancel()
    wait_until(lambda: int(service.dropped(b"")) == before + 1)
    replies = service.count(b"100000000")
    assert next(replies) == b"0"
    replies.cancel()
    assert service.echo(b"on") == b"on"


def metadata_passes_both_ways(service):
    sent = (("key", "value"), ("key-bin", bytes(range(256))), ("key-bin", b""))
    reply, call = service.echo.with_call(b"x", metadata=sent)
    assert reply == b"x"
    assert tuple((pair.key, pair.value) for pair in call.initial_metadata() if pair.key.startswith("key")) == sent
    trailing = tuple((pair.key, pair.value) for pair in call.trailing_metadata())
    assert trailing == (("last", "one"), ("last-bin", b"\x00\xff"))


def failures_carry_message_details_and_trailers(service):
    failed = failure(lambda: service.fail(b""))
    assert failed.code() == grpc.StatusCode.FAILED_PRECONDITION, failed
    assert failed.details() == "zu früh: 50 %\n", failed
    trailing = {pair.key: pair.value for pair in failed.trailing_metadata()}
    assert trailing["why"] == "because"
    assert b"type.googleapis.com/google.rpc.ErrorInfo" in trailing["grpc-status-details-bin"]
    assert failure(lambda: service.nothing(b"")).code() == grpc.StatusCode.UNIMPLEMENTED


def large_messages_pass_both_ways(service):
    assert service.echo(LARGE) == LARGE
    assert list(service.talk(iter([LARGE, b"small", LARGE]))) == [LARGE, b"small", LARGE]


def messages_beyond_the_limit_fail_their_call(service):
    failed = failure(lambda: service.echo(LARGE * 2))
    assert failed.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, failed
    assert "message_bytes_max" in failed.details(), failed
    assert service.echo(b"on") == b"on"


def many_calls_share_the_channel(service):
    begin = time.monotonic()
    calls = [service.slow.future(str(number).encode()) for number in range(64)]
    assert [call.result() for call in calls] == [str(number).encode() for number in range(64)]
    assert time.monotonic() - begin < 5, "they run one after the other"


def compressed_messages_pass_both_ways(service):
    for message in (b"short", LARGE):
        assert service.echo(message, compression=grpc.Compression.Gzip) == message
        replies = service.talk(iter([message, message]), compression=grpc.Compression.Gzip)
        assert list(replies) == [message, message]


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call has not failed")


def wait_until(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def checks(address, compressions):
    service = Service(address)
    for check in (
        four_call_types,
        stream_alternates,
        deadline_stops_the_handler,
        cancel_stops_the_handler,
        metadata_passes_both_ways,
        failures_carry_message_details_and_trailers,
        large_messages_pass_both_ways,
        messages_beyond_the_limit_fail_their_call,
        many_calls_share_the_channel,
    ):
        check(service)
        print(check.__name__, flush=True)
    if "gzip" in compressions:
        compressed_messages_pass_both_ways(service)
        print(compressed_messages_pass_both_ways.__name__, flush=True)


def load(*addresses):
    target = "ipv4:" + ",".join(addresses)
    policy = '{"loadBalancingConfig": [{"round_robin": {}}]}'
    service = Service(target, [("grpc.service_config", policy)])
    ended, made, failed = threading.Event(), [0] * 64, []

    def make_calls(place):
        while not ended.is_set():
            try:
                assert service.slow(b"x", timeout=20) == b"x"
                made[place] += 1
            except grpc.RpcError as error:
                failed.append(error)

    threads = [threading.Thread(target=make_calls, args=(place,)) for place in range(64)]
    for thread in threads:
        thread.start()
    wait_until(lambda: min(made) > 0)
    print("under load", flush=True)
    sys.stdin.read()
    before = list(made)
    # Each thread makes another call after the stop.
    wait_until(lambda: failed or all(now > then for now, then in zip(made, before)))
    ended.set()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]
    print(sum(made), flush=True)


if __name__ == "__main__":
    {"checks": checks, "load": load}[sys.argv[1]](*sys.argv[2:])
