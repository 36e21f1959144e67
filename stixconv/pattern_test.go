package stixconv

import (
	"fmt"
	"strings"
	"testing"
)

func TestPatternObservables(t *testing.T) {
	const md5, sha = "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for pattern, want := range map[string]string{
		`[ipv4-addr:value = '198.51.100.7']`:                                                      "ipv4-addr 198.51.100.7",
		`[ ipv4-addr:value='198.51.100.7' OR domain-name:value = 'www.example.com' ]`:             "ipv4-addr 198.51.100.7, domain-name www.example.com",
		`[url:value = 'https://www.example.com/it\'s?a=\\b']`:                                     `url https://www.example.com/it's?a=\b`,
		`[domain-name:value IN ('a.example.com', 'b.example.com')]`:                               "domain-name a.example.com, domain-name b.example.com",
		`[file:hashes.MD5 = '` + md5 + `' AND file:hashes.'SHA-256' = '` + sha + `']`:             "file MD5 SHA-256",
		`[file:hashes.MD5 = '` + md5 + `' OR file:hashes."SHA-256" = '` + sha + `']`:              "file MD5, file SHA-256",
		`[file:name = 'a.exe' AND (file:hashes.MD5 = '` + md5 + `')]`:                             "file MD5",
		`[(ipv4-addr:value = '198.51.100.7' OR ipv4-addr:value = '198.51.100.7')]`:                "ipv4-addr 198.51.100.7",
		`[ipv6-addr:value = '2001:db8::7' AND network-traffic:dst_port = 443]`:                    "ipv6-addr 2001:db8::7",
		`[network-traffic:dst_ref.type = 'ipv4-addr' AND email-addr:value = 'alice@example.com']`: "email-addr alice@example.com",
		`[ipv4-addr:value = '198.51.100.7'] AND [domain-name:value = 'www.example.com']`:          "! one observation",
		`[ipv4-addr:value = '198.51.100.7'] WITHIN 5 MINUTES`:                                     "! one observation",
		`[ipv4-addr:value LIKE '198.51.100.%']`:                                                   "! LIKE names no single value",
		`[ipv4-addr:value ISSUBSET '198.51.100.0/24']`:                                            "! ISSUBSET",
		`[domain-name:value NOT = 'www.example.com']`:                                             "! NOT",
		`[ipv4-addr:value != '198.51.100.7']`:                                                     "! only = and IN",
		`[process:command_line = 'x']`:                                                            "! names no observable",
		`[ipv4-addr:value = '198.51.100.7`:                                                        "! no end",
		`ipv4-addr:value = '198.51.100.7'`:                                                        "! \"[\" is expected",
		``:                                                                                        "! is expected",
		`[` + strings.Repeat("(", 300) + `]`:                                                      "! more than 256",
		`[domain-name:value IN (` + strings.Repeat(`'a',`, 300) + `'b')]`:                         "! more than 256",
	} {
		got, err := PatternObservables(pattern)
		var names []string
		for _, o := range got {
			name := fmt.Sprint(o["type"], " ", o["value"])
			if hashes, ok := o["hashes"].(map[string]any); ok {
				name = "file"
				for _, algorithm := range []string{"MD5", "SHA-256"} {
					if hashes[algorithm] != nil {
						name += " " + algorithm
					}
				}
			}
			names = append(names, name)
		}
		if says, bad := strings.CutPrefix(want, "! "); bad {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%.60s: %v, %q", pattern, err, names)
			}
			continue
		}
		if err != nil || strings.Join(names, ", ") != want {
			t.Errorf("%s: %q, %v", pattern, names, err)
		}
	}
	o, err := PatternObservables(`[ipv4-addr:value = '198.51.100.7']`)
	if err != nil || o[0]["id"] != "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db" {
		t.Errorf("%v, %v", o, err)
	}
}

func FuzzPatternObservables(f *testing.F) {
	f.Add(`[ipv4-addr:value = '198.51.100.7' AND (file:hashes.'SHA-256' IN ('a','b') OR url:value = 'x\'y')]`)
	f.Add(`[a:b[*].c = 5]`)
	f.Fuzz(func(t *testing.T, pattern string) {
		found, err := PatternObservables(pattern)
		if (err == nil) == (len(found) == 0) {
			t.Errorf("%d observables, %v", len(found), err)
		}
		for _, o := range found {
			if text(o, "id") == "" || text(o, "type") == "" {
				t.Errorf("%v", o)
			}
		}
	})
}

// BasedOn gives the id that OpenCTI's client gives.
func TestBasedOn(t *testing.T) {
	indicator := Object{"id": "indicator--3ae0b0a2-7289-5fda-8a85-02d057ba0968", "created": "2026-08-22T09:00:00.000Z", "object_marking_refs": []any{"m"}}
	r := BasedOn(indicator, Object{"id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"})
	if r["id"] != "relationship--57651e36-70cc-5200-85dd-498e3f90e96c" || r["created"] != indicator["created"] {
		t.Errorf("%v", r)
	}
}
