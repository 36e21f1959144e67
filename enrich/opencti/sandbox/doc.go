// Package sandbox is a small OpenCTI: the platform's GraphQL interface, its
// queues and its worker, as far as an enrichment connector can see them. It
// serves tests and the demo; it keeps everything in memory and knows no users,
// no search and no rules engine.
//
// Life of one enrichment: Enrich creates a work (status "wait") and publishes a
// message, shaped as Options.Version shapes it, on the queue that the connector
// was given at registration, or posts it to the connector's callback address.
// The connector reads the entity, reports toReceived ("progress"), adds
// expectations and publishes objects. The worker takes them from the push queue,
// checks that what they refer to is known, imports them and counts each one on
// the work, which completes as soon as processed reaches expected: at
// toProcessed or at the last import, whichever is later.
// A playbook step has no work: the connector answers it by one
// playbookStepExecution call, kept as a Step.
//
// The sandbox judges as it goes. What a real platform would swallow in silence
// (an expectation added too late, an answer for an unknown execution, a bundle
// that lost objects) becomes an entry of Problems, wrapped around one of the
// Err… sentinels of this package.
//
// Where it differs from the real thing:
//   - A message that the broker delivers a second time because the worker's ack
//     was lost is recognised and counted once.
//   - stixBundlePush imports before it answers; a real platform queues the bundle.
//   - An object whose references are unknown waits Options.ReferenceWait for
//     them; a real worker tries four times, one to three seconds apart.
//   - A refused callback is repeated after 200 ms instead of 10 to 30 s.
package sandbox
