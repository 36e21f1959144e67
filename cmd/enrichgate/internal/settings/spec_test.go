package settings

// specs is one source, as most of these tests want it.
func specs() []SourceSpec {
	return []SourceSpec{{
		Name: "proofpoint_et_intelligence", Title: "Proofpoint ET Intelligence", BaseURL: "https://api.emergingthreats.net/v1/",
		Secrets: []SecretSpec{{Name: "api_key", Help: "Key of the provider's API."}},
		Params: []ParamSpec{{Name: "import_last_seen_time_window", Title: "last-seen window", Kind: KindDuration, Default: "P30D",
			Help: "How long ago a related object may have been seen last to be imported."}},
		Quota: "200/minute", Scope: []string{"IPv4-Addr", "Domain-Name", "StixFile"},
		Endpoints: []EndpointSpec{{"ip.reputation", 1}, {"sample", 1}},
		Family:    "PROOFPOINT_", Ghost: "PROOFPOINT_ET_",
	}}
}

// many are several sources of every kind.
func many() []SourceSpec {
	return append(specs(),
		SourceSpec{
			Name: "virustotal", Title: "VirusTotal", BaseURL: "https://www.virustotal.com/api/v3/",
			Secrets: []SecretSpec{{Name: "api_key", Help: "Key of the API."}},
			Aliases: map[string]string{"VIRUSTOTAL_TOKEN": "VIRUSTOTAL_API_KEY"},
			Params: []ParamSpec{
				{Name: "threshold", Title: "threshold", Kind: KindInt, Default: "3", Least: 0, Most: 90, Help: "Engines that must agree."},
				{Name: "relations", Title: "relations", Kind: KindBool, Default: "true", Help: "Whether related objects are imported."},
				{Name: "mode", Title: "mode", Kind: KindEnum, Default: "brief", Values: []string{"brief", "full"}, Help: "How much is imported."},
				{Name: "skip", Title: "skip", Kind: KindList, Help: "Engines that do not count."},
				{Name: "label", Title: "label", Kind: KindText, Help: "Label to set."},
			},
			Quota: "4/minute,500/day", Scope: []string{"IPv4-Addr", "Url"}, Endpoints: []EndpointSpec{{"ip", 1}, {"url", 2}},
		},
		SourceSpec{
			Name: "pair", Title: "Pair", BaseURL: "https://pair.example.com/",
			Secrets: []SecretSpec{{Name: "user", Help: "User."}, {Name: "pass", Help: "Password."}, {Name: "extra", Optional: true, Help: "Second password."}},
			Scope:   []string{"Url"},
		},
		SourceSpec{Name: "open_data", Title: "Open Data", BaseURL: "https://open.example.com/", Scope: []string{"IPv4-Addr"}, Endpoints: []EndpointSpec{{"host", 1}}},
	)
}

// et is the one source of specs.
func et(s Settings) *Source { return s.Sources["proofpoint_et_intelligence"] }
