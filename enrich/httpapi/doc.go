// Package httpapi answers over HTTP what an analyst's shell, another tool or an
// existing connector asks of the gateway: what is known of a value, what that
// costs, what is left, who spent it. Everything that asks a provider goes the
// way of a message of the platform: policy, cache, flight, ledger, source.
//
// Two doors:
//
//   - /api/v1, described by the OpenAPI document that it serves at
//     /api/v1/openapi.json;
//   - /proxy/{source}/…, which mirrors the provider's own paths for tools that
//     know nothing of enrichgate: they change their base URL and put their
//     client token where the provider's key was.
//
// Who may ask (caller.go): the admin and read tokens of the configuration, the
// tokens of the clients, on the data directory's socket whoever may open that
// file, and without any token configured whoever reaches the listener, which is
// on loopback then, but only to read.
//
// Errors are problem details (RFC 9457). No secret is ever part of an answer.
package httpapi
