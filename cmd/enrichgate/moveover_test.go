package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

// publicEnvironments are what the public connectors' containers are given, by
// our source: every name that they document, with a value that they take.
func publicEnvironments() map[string]string {
	return map[string]string{
		"proofpoint_et_intelligence": `CONNECTOR_SCOPE=IPv4-Addr,Domain-Name,StixFile PROOFPOINT_ET_INTELLIGENCE_API_KEY=k PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=https://api.emergingthreats.net/v1/
			PROOFPOINT_ET_INTELLIGENCE_IMPORT_LAST_SEEN_TIME_WINDOW=P30D PROOFPOINT_ET_INTELLIGENCE_MAX_TLP=TLP:AMBER+STRICT`,
		"abuseipdb":           "CONNECTOR_SCOPE=IPv4-Addr ABUSEIPDB_API_KEY=k ABUSEIPDB_MAX_TLP=TLP:AMBER",
		"censys":              "CONNECTOR_SCOPE=IPv4-Addr,IPv6-Addr,X509-Certificate,Domain-Name CENSYS_ENRICHMENT_TOKEN=k CENSYS_ENRICHMENT_ORGANISATION_ID=o CENSYS_ENRICHMENT_MAX_TLP=TLP:AMBER",
		"criminal_ip":         "CONNECTOR_SCOPE=IPv4-Addr,Domain-Name CRIMINAL_IP_TOKEN=k CRIMINAL_IP_MAX_TLP=TLP:AMBER",
		"crowdsec":            "CONNECTOR_SCOPE=IPv4-Addr,IPv6-Addr CONNECTOR_UPDATE_EXISTING_DATA=false CROWDSEC_KEY=k CROWDSEC_API_VERSION=v2 CROWDSEC_NAME=n CROWDSEC_MAX_TLP=TLP:AMBER CROWDSEC_LABELS_CVE=true CROWDSEC_INDICATOR_CREATE_FROM=malicious CROWDSEC_ATTACK_PATTERN_CREATE_FROM_MITRE=true",
		"domaintools":         "CONNECTOR_SCOPE=Domain-Name,Ipv4-Addr DOMAINTOOLS_API_USERNAME=u DOMAINTOOLS_API_KEY=k DOMAINTOOLS_MAX_TLP=TLP:AMBER",
		"first_epss":          "CONNECTOR_SCOPE=vulnerability FIRST_EPSS_API_BASE_URL=https://api.first.org/data/v1/epss FIRST_EPSS_MAX_TLP=TLP:AMBER",
		"greynoise":           "CONNECTOR_SCOPE=IPv4-Addr GREYNOISE_KEY=k GREYNOISE_MAX_TLP=TLP:AMBER GREYNOISE_NAME=n GREYNOISE_DESCRIPTION=d GREYNOISE_SIGHTING_NOT_SEEN=false GREYNOISE_NO_SIGHTINGS=false GREYNOISE_DEFAULT_SCORE=50 GREYNOISE_INDICATOR_SCORE_BENIGN=20",
		"ipinfo":              "CONNECTOR_SCOPE=IPv4-Addr,IPv6-Addr IPINFO_TOKEN=k IPINFO_MAX_TLP=TLP:AMBER IPINFO_USE_ASN_NAME=true",
		"ipqs":                "CONNECTOR_SCOPE=Domain-Name,IPv4-Addr,Email-Addr,Url,Phone-Number,User-Account,Artifact IPQS_BASE_URL=https://ipqualityscore.com/api/json IPQS_PRIVATE_KEY=k IPQS_DEFAULT_TLP=TLP:CLEAR IPQS_MAX_TLP=TLP:AMBER IPQS_IP_ADD_RELATIONSHIPS=true IPQS_DOMAIN_ADD_RELATIONSHIPS=true",
		"shodan":              "CONNECTOR_SCOPE=ipv4-addr,indicator SHODAN_TOKEN=k SHODAN_MAX_TLP=TLP:AMBER SHODAN_DEFAULT_SCORE=50 SHODAN_CREATE_NOTE=true SHODAN_IMPORT_SEARCH_RESULTS=true SHODAN_USE_ISP_NAME_FOR_ASN=false",
		"silentpush":          "CONNECTOR_SCOPE=Indicator,URL,IPv4-Addr,IPv6-Addr,Domain-Name SILENTPUSH_API_BASE_URL=https://app.silentpush.com/api/v2/ SILENTPUSH_API_KEY=k SILENTPUSH_MAX_TLP_LEVEL=TLP:CLEAR SILENTPUSH_VERIFY_CERT=true",
		"google_safebrowsing": "CONNECTOR_SCOPE=Url,Domain-Name,Hostname SAFE_BROWSING_API_KEY=k GOOGLE_SAFE_BROWSING_API_KEY= SAFE_BROWSING_API_URL=https://safebrowsing.googleapis.com",
		"hybrid_analysis":     "CONNECTOR_SCOPE=StixFile,Artifact,Url,Domain-Name,Hostname HYBRID_ANALYSIS_SANDBOX_TOKEN=k HYBRID_ANALYSIS_SANDBOX_ENVIRONMENT_ID=110 HYBRID_ANALYSIS_ENVIRONMENT_ID=110 HYBRID_ANALYSIS_SANDBOX_MAX_TLP=TLP:AMBER",
		"kaspersky": `CONNECTOR_SCOPE=StixFile,IPv4-Addr,Domain-Name,Hostname,Url KASPERSKY_API_BASE_URL=https://tip.kaspersky.com KASPERSKY_API_KEY=k KASPERSKY_MAX_TLP=TLP:AMBER KASPERSKY_FILE_SECTIONS=LicenseInfo,Zone,FileGeneralInfo
			KASPERSKY_IPV4_SECTIONS=LicenseInfo,Zone,IpGeneralInfo KASPERSKY_DOMAIN_SECTIONS=Zone KASPERSKY_URL_SECTIONS=Zone KASPERSKY_ZONE_OCTI_SCORE_MAPPING=red:100,orange:80,yellow:60,gray:20,green:0`,
		"recorded_future": `CONNECTOR_SCOPE=ipv4-addr,ipv6-addr,domain-name,url,stixfile,vulnerability RECORDED_FUTURE_TOKEN=k RECORDED_FUTURE_INFO_MAX_TLP=TLP:GREEN RECORDED_FUTURE_CREATE_INDICATOR_THRESHOLD=0
			RECORDED_FUTURE_THREAT_ACTOR_TO_INTRUSION_SET=False RECORDED_FUTURE_VULNERABILITY_ENRICHMENT_OPTIONAL_FIELDS=aiInsights,cpe,risk`,
		"shodan_internetdb": "CONNECTOR_SCOPE=IPv4-Addr SHODAN_MAX_TLP=TLP:CLEAR SHODAN_SSL_VERIFY=true",
		"urlscan": `CONNECTOR_SCOPE=url,ipv4-addr,ipv6-addr URLSCAN_ENRICHMENT_API_KEY=k URLSCAN_ENRICHMENT_MAX_TLP=TLP:AMBER URLSCAN_ENRICHMENT_CREATE_INDICATOR=true URLSCAN_ENRICHMENT_IMPORT_SCREENSHOT=false
			URLSCAN_ENRICHMENT_SEARCH_FILTERED_BY_DATE=>now-2d URLSCAN_ENRICHMENT_VISIBILITY=public`,
		"virustotal": `CONNECTOR_SCOPE=StixFile,Artifact,IPv4-Addr,Domain-Name,Url,Hostname VIRUSTOTAL_TOKEN=k VIRUSTOTAL_MAX_TLP=TLP:AMBER VIRUSTOTAL_REPLACE_WITH_LOWER_SCORE=true VIRUSTOTAL_URL_UPLOAD_UNSEEN=true
			VIRUSTOTAL_FILE_IMPORT_YARA=true VIRUSTOTAL_FILE_UPLOAD_UNSEEN_ARTIFACTS=true VIRUSTOTAL_INCLUDE_ATTRIBUTES_IN_NOTE=false VIRUSTOTAL_IP_INDICATOR_DETECT=true VIRUSTOTAL_URL_INDICATOR_DETECT=true`,
	}
}

// publicEnviron is one of them as a process gets it.
func publicEnviron(own string) []string {
	env := strings.Fields(own)
	for i, line := range env {
		env[i] = strings.Replace(line, "=k", "=a-key-0123456789abcdef", 1)
	}
	return append(env, "OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=a-secret-0123456789",
		"CONNECTOR_TYPE=INTERNAL_ENRICHMENT", "CONNECTOR_ID=b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11", "CONNECTOR_NAME=Ours", "CONNECTOR_AUTO=false")
}

// Moving over is a change of image: the environment of each public connector
// starts as it is, and asks the source that it was for.
func TestPublicEnvironmentsStart(t *testing.T) {
	all := publicEnvironments()
	for _, spec := range sourceSpecs() {
		own, known := all[spec.Name]
		if !known {
			t.Errorf("say here what the public connector of %s is given", spec.Name)
			continue
		}
		t.Run(spec.Name, func(t *testing.T) {
			s, err := settings.Load(settings.Options{Environ: publicEnviron(own), ConfigPath: os.DevNull, Sources: sourceSpecs()})
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Connectors[0].Source; got != spec.Name {
				t.Errorf("it asks %q", got)
			}
			for _, line := range strings.Fields(own) {
				name, _, _ := strings.Cut(line, "=")
				warned := slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.HasPrefix(w, name+" has no effect here: ") })
				if _, ignored := spec.Ignored[name]; ignored && !warned {
					t.Errorf("%s was ignored in silence", name)
				}
			}
		})
	}
}

// What a public connector calls otherwise is read as what it means.
func TestPublicNamesAreRead(t *testing.T) {
	for source, want := range map[string]string{
		"recorded_future": "TLP:GREEN https://api.recordedfuture.com/v2/", "silentpush": "TLP:CLEAR https://app.silentpush.com/api/v2/",
		"ipqs": "TLP:RED https://mirror.example.com/", "google_safebrowsing": "TLP:GREEN https://mirror.example.com/",
	} {
		own := strings.NewReplacer("IPQS_BASE_URL=https://ipqualityscore.com/api/json", "IPQS_BASE_URL=https://mirror.example.com", "IPQS_MAX_TLP=TLP:AMBER", "IPQS_MAX_TLP=TLP:RED",
			"=https://safebrowsing.googleapis.com", "=https://mirror.example.com").Replace(publicEnvironments()[source])
		s, err := settings.Load(settings.Options{Environ: publicEnviron(own), ConfigPath: os.DevNull, Sources: sourceSpecs()})
		if got := fmt.Sprint(s.Sources[source].MaxTLP, " ", s.Sources[source].BaseURL); err != nil || got != want {
			t.Errorf("%s: %s, want %s; %v", source, got, want, err)
		}
	}
}

// A source without a key is not taken for another's, nor started beside one
// that was meant.
func TestKeylessSources(t *testing.T) {
	for own, want := range map[string]string{
		"SHODAN_MAX_TLP=TLP:CLEAR":                                    "one without a key is named by CONNECTOR_SOURCE",
		"CONNECTOR_SCOPE=vulnerability":                               "one without a key is named by CONNECTOR_SOURCE",
		"CONNECTOR_SCOPE=vulnerability CONNECTOR_SOURCE=first_epss":   "",
		"FIRST_EPSS_MAX_TLP=TLP:CLEAR FIRST_EPSS_ENABLED=false":       "one without a key is named by CONNECTOR_SOURCE",
		"FIRST_EPSS_MAX_TLP=TLP:CLEAR SHODAN_INTERNETDB_TIMEOUT=PT9S": "several sources are set (first_epss, shodan_internetdb)",
		"FIRST_EPSS_MAX_TLP=TLP:CLEAR IPINFO_TOKEN=k":                 "",
		"FIRST_EPSS_QUOTE=1/day":                                      "FIRST_EPSS_QUOTE: unknown",
	} {
		_, err := settings.Load(settings.Options{Environ: publicEnviron(own), ConfigPath: os.DevNull, Sources: sourceSpecs()})
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %s", own, got)
		}
	}
}
