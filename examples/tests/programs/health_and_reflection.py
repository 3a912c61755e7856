"""Asks a provider with grpcio-reflection (`reflection ADDRESS`) or grpcio-health-checking (`health ADDRESS`), and prints the
answers."""

import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TIMEOUT = 20


class NamedV1(grpc.StreamStreamClientInterceptor):
    """Calls the service under the name of v1. Its messages are those of v1alpha, for which alone the package has a client."""

    def intercept_stream_stream(self, continuation, details, requests):
        return continuation(details._replace(method=details.method.replace("v1alpha", "v1")), requests)


def reflection(channel):
    reflection_of(channel, grpc.intercept_channel(channel, NamedV1()), "v1")
    reflection_of(channel, channel, "v1alpha")


def reflection_of(channel, asked, version):
    def say(text):
        print(version, text, flush=True)

    database = ProtoReflectionDescriptorDatabase(asked)
    pool = DescriptorPool(database)
    say("services: " + " ".join(sorted(database.get_services())))
    service = pool.FindServiceByName("fixbug.UserServiceRpc")
    methods = [f"{method.name}({method.input_type.name})" for method in service.methods]
    say(f"{service.full_name}: {' '.join(methods)}")
    for name in ("fixbug.LoginRequest", "fixbug.ResultCode", "google.protobuf.Timestamp", "fixbug.Nothing"):
        try:
            fields = pool.FindMessageTypeByName(name).fields
            say(f"{name}: " + " ".join(f"{field.name}={field.number}" for field in fields))
        except KeyError:
            say(f"{name}: NOT_FOUND")
    # A call with nothing but what reflection has shown.
    login = service.methods_by_name["Login"]
    request, reply = GetMessageClass(login.input_type), GetMessageClass(login.output_type)
    call = channel.unary_unary(
        f"/{service.full_name}/{login.name}",
        request_serializer=request.SerializeToString,
        response_deserializer=reply.FromString,
    )
    answer = call(request(name=b"cuism", pwd=b"123456"), timeout=TIMEOUT)
    say("Login: success" if answer.success else f"Login: {answer}")


def health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    state = health_pb2.HealthCheckResponse.ServingStatus.Name
    for service in ("", "fixbug.UserServiceRpc", "fixbug.Nothing"):
        try:
            answer = state(stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT).status)
        except grpc.RpcError as error:
            answer = error.code().name
        print(f"check {service}: {answer}" if service else f"check: {answer}", flush=True)
    for answer in stub.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT):
        print(f"watch: {state(answer.status)}", flush=True)
    print("the watch has ended")


if __name__ == "__main__":
    with grpc.insecure_channel(sys.argv[2]) as channel:
        {"reflection": reflection, "health": health}[sys.argv[1]](channel)
