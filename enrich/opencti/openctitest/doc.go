// Package openctitest helps tests that need an OpenCTI platform: its schema, a
// message broker, and a sandbox platform wired to both.
//
// A package whose tests need a broker hands its tests to Main:
//
//	func TestMain(m *testing.M) { os.Exit(openctitest.Main(m)) }
//
// TestBroker then starts one private RabbitMQ node for the test binary, from the
// distribution's package, when the first test asks for it; it takes about seven
// seconds. The environment variable AMQP_URL names a broker to use instead. Tests
// skip when there is neither, and with -short; with CI=true a missing broker
// fails them, so that a green run did run.
//
// Tests share that node, so they must not stop it; a test about outages starts
// its own by NewBroker. Queues do not collide, because every connector has an id
// of its own (NewConnectorID) and StartPlatform a prefix.
package openctitest
