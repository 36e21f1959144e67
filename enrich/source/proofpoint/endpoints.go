package proofpoint

import (
	"net/url"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

const day = 24 * time.Hour

// The endpoints that are asked. A new one needs: endpoints, Plan, readRow or
// readObject, and a fixture.
const (
	ipReputation     = "ip.reputation"
	ipDomains        = "ip.domains"
	ipSamples        = "ip.samples"
	ipGeoloc         = "ip.geoloc"
	ipASN            = "ip.asn"
	domainReputation = "domain.reputation"
	domainIPs        = "domain.ips"
	domainSamples    = "domain.samples"
	sample           = "sample"
)

// Endpoints are the names of all calls, those of addresses first.
func Endpoints() []string {
	return []string{ipReputation, ipDomains, ipSamples, ipGeoloc, ipASN, domainReputation, domainIPs, domainSamples, sample}
}

// Types are the entities that Plan takes, as OpenCTI names them.
func Types() []string { return []string{"IPv4-Addr", "Domain-Name", "StixFile", "Artifact"} }

// Asked are the calls that an entity of a type is worth, reputation first; none
// for a type that is not taken. Types are named as by OpenCTI or STIX, in any case.
func Asked(entity string) []string {
	switch strings.ToLower(entity) {
	case "ipv4-addr":
		return []string{ipReputation, ipDomains, ipSamples, ipGeoloc, ipASN}
	case "domain-name":
		return []string{domainReputation, domainIPs, domainSamples}
	case "stixfile", "file", "artifact":
		return []string{sample}
	}
	return nil
}

// Makes are the kinds of what answers become, as the README's table names them.
func Makes() []string {
	return []string{"autonomous-system", "city", "country", "domain-name", "file", "ipv4-addr", "ipv6-addr", "label", "note", "reference", "score"}
}

// endpoint is what is known of a call of the API.
type endpoint struct {
	name  string
	title string
	// before and after enclose the value in the path below the base URL.
	before, after string
	// list says that the response is a list of objects, not one object.
	list bool
	// key is the field without which a row (or the object) is not this endpoint's.
	key string
	// echo is the field that repeats the value asked for; empty if none does.
	echo string
	ttl  enrich.TTL
}

// endpoints are all of them by name. A ttl of 0 leaves each its own.
func endpoints(ttl, stale time.Duration) map[string]endpoint {
	all := map[string]endpoint{}
	add := func(e endpoint, found, notFound time.Duration) {
		if ttl > 0 {
			found, notFound = ttl, min(notFound, ttl)
		}
		e.ttl = enrich.TTL{Found: found, NotFound: notFound, Stale: stale}
		all[e.name] = e
	}
	add(endpoint{name: ipReputation, title: "reputation", before: "ips/", after: "/reputation", list: true, key: "category"}, 6*time.Hour, 6*time.Hour)
	add(endpoint{name: ipDomains, title: "domains", before: "ips/", after: "/domains", list: true, key: "domain"}, day, day)
	add(endpoint{name: ipSamples, title: "samples", before: "ips/", after: "/samples", list: true, key: "source"}, day, day)
	add(endpoint{name: ipGeoloc, title: "location", before: "ips/", after: "/geoloc", list: true, key: "country_code", echo: "ip"}, 30*day, 7*day)
	add(endpoint{name: ipASN, title: "autonomous system", before: "ips/", after: "/asn", key: "asn"}, 30*day, 7*day)
	add(endpoint{name: domainReputation, title: "reputation", before: "domains/", after: "/reputation", list: true, key: "category"}, 6*time.Hour, 6*time.Hour)
	add(endpoint{name: domainIPs, title: "addresses", before: "domains/", after: "/ips", list: true, key: "ip"}, day, day)
	add(endpoint{name: domainSamples, title: "samples", before: "domains/", after: "/samples", list: true, key: "source"}, day, day)
	// What a hash stands for does not change; that nobody knows it may.
	add(endpoint{name: sample, title: "sample", before: "samples/", key: "md5sum", echo: "md5sum"}, 365*day, day)
	return all
}

// path is where the value is asked for, below the base URL.
func (e endpoint) path(value string) string {
	return e.before + url.PathEscape(value) + e.after
}
