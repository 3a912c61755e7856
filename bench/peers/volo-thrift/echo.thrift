namespace rs bench

struct Echo {
    1: required binary payload,
}

service EchoService {
    Echo Echo(1: Echo request),
}
