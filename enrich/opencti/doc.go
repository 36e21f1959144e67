// Package opencti is the platform's side of the gateway: OpenCTI's
// INTERNAL_ENRICHMENT connector protocol over its two wires, GraphQL and AMQP,
// and over HTTP where the platform is set up so.
//
// In one page:
//
//	register   the platform names our queues and the broker, and declares them
//	ping       every 40 s; keeps us active, carries our state, re-declares the queues
//	listen     messages from the listen queue, or posted to us by the worker
//	read       the entity, with its markings, by GraphQL
//	received   the work is in progress
//	expect     the work will see so many objects
//	publish    one object a message to the push exchange, mandatory and confirmed;
//	           a playbook step is answered by one mutation instead
//	processed  the work's end, in words
//	ack        only now
//
// The message stays the broker's until it is acknowledged: a kill at any point
// means that it comes again. What must not be done twice (expectations added, a
// step answered) is remembered in the journal. Where we differ from OpenCTI's
// own Python client on purpose, DIVERGENCES.md says so.
package opencti
