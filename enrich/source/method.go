package source

import "net/url"

// lookupByPost says whether POST to the address is a lookup: it changes nothing
// at the provider, however often it is made. The list is code on purpose. A
// definition can name any address, and must not be able to make of one that
// submits, uploads or scans a thing that enrichment does by itself.
func lookupByPost(base, path string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	switch u.Host + u.Path + path {
	case "safebrowsing.googleapis.com/v4/threatMatches:find",
		"api.greynoise.io/v3/ip",
		"api.domaintools.com/v1/iris-investigate/",
		"www.hybrid-analysis.com/api/v2/search/hash",
		"urlhaus-api.abuse.ch/v1/host/",
		"urlhaus-api.abuse.ch/v1/payload/",
		"urlhaus-api.abuse.ch/v1/url/":
		return true
	}
	return false
}
