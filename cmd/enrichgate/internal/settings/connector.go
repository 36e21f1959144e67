package settings

// Connector is one registration with OpenCTI.
type Connector struct {
	// ID is the connector's UUID at the platform, as it was written.
	ID string
	// Name is what analysts see.
	Name string
	// Scope is the entity types to enrich, without doubles.
	Scope []string
	// Source is the name of the source that it asks.
	Source string
	// Auto registers for automatic enrichment of new entities.
	Auto bool
	// AutoUpdate registers for automatic enrichment of changed entities.
	AutoUpdate bool
	// EnrichmentResolution is "none" or "stix_bundle".
	EnrichmentResolution string
	// OnlyContextual is registered as it is.
	OnlyContextual bool
	// MaxTLP is its own highest marking; empty means the source's. The stricter counts.
	MaxTLP string
	// ListenAPIPort is the port of the callback server when ListenProtocol is "API".
	ListenAPIPort int
	// ListenAPIPath is the callback's path and begins with a slash.
	ListenAPIPath string
	// ListenAPIURI is the callback server as the worker reaches it, without path
	// and without a slash at its end. Never empty.
	ListenAPIURI string
}

// connectorRows are the settings of one connector: of the section connector, or
// of one entry of the list connectors.
func connectorRows() []row {
	return each([]row{
		{Setting: Setting{Name: "CONNECTOR_ID", YAML: "connector.id", Title: "Connector ID", Kind: KindUUID, Required: true,
			Help: "UUID of this connector, made once and kept; with the ID of the Python connector its queue is taken over."},
			parse: connectorID},
		{Setting: Setting{Name: "CONNECTOR_SOURCE", YAML: "connector.source", Title: "Connector's source", Kind: KindText, DefaultNote: "the one whose key is given", Example: "proofpoint_et_intelligence",
			Help: "Name of the source that this connector asks, which is also its section of config.yml."},
			parse: sourceName},
		{Setting: Setting{Name: "CONNECTOR_NAME", YAML: "connector.name", Title: "Connector name", Kind: KindText, DefaultNote: "the source's", Example: "Proofpoint ET Intelligence", For: NeedData,
			Help: "Name that analysts see and that stands in each log line."},
			parse: connectorName},
		{Setting: Setting{Name: "CONNECTOR_SCOPE", YAML: "connector.scope", Title: "Connector scope", Kind: KindList, DefaultNote: "all that the source knows", Example: "IPv4-Addr,Domain-Name,StixFile",
			Help: "Entity types to enrich; what the source never looks up is warned of and not registered."},
			parse: list(func(s *Settings) *[]string { return &s.connector.Scope })},
		{Setting: Setting{Name: "CONNECTOR_AUTO", YAML: "connector.auto", Title: "Automatic enrichment", Kind: KindBool, Default: "false",
			Help: "Whether every new entity in scope is enriched unasked, which spends quota on each (many public connectors' default is true)."},
			parse: boolean(func(s *Settings) *bool { return &s.connector.Auto })},
		{Setting: Setting{Name: "CONNECTOR_AUTO_UPDATE", YAML: "connector.auto_update", Title: "Enrichment on update", Kind: KindBool, Default: "false",
			Help: "Whether automatic enrichment also follows each change of an entity."},
			parse: boolean(func(s *Settings) *bool { return &s.connector.AutoUpdate })},
		{Setting: Setting{Name: "CONNECTOR_ENRICHMENT_RESOLUTION", YAML: "connector.enrichment_resolution", Title: "Enrichment resolution", Kind: KindEnum, Default: "none", Values: []string{"none", "stix_bundle"},
			Help: "What OpenCTI sends beside the entity."},
			parse: oneOf(func(s *Settings) *string { return &s.connector.EnrichmentResolution }, "none", "stix_bundle")},
		{Setting: Setting{Name: "CONNECTOR_ONLY_CONTEXTUAL", YAML: "connector.only_contextual", Title: "Only contextual", Kind: KindBool, Default: "false",
			Help: "Registered with OpenCTI as it is."},
			parse: boolean(func(s *Settings) *bool { return &s.connector.OnlyContextual })},
		{Setting: Setting{Name: "CONNECTOR_LISTEN_PROTOCOL_API_PORT", YAML: "connector.listen_protocol_api_port", Title: "Callback port", Kind: KindInt, Default: "7070",
			Help: "Port of the callback server when the listen protocol is API."},
			parse: integer(1, 65535, func(s *Settings) *int { return &s.connector.ListenAPIPort })},
		{Setting: Setting{Name: "CONNECTOR_LISTEN_PROTOCOL_API_PATH", YAML: "connector.listen_protocol_api_path", Title: "Callback path", Kind: KindText, Default: "/api/callback",
			Help: "Path of the callback."},
			parse: urlPath(func(s *Settings) *string { return &s.connector.ListenAPIPath })},
		{Setting: Setting{Name: "CONNECTOR_LISTEN_PROTOCOL_API_URI", YAML: "connector.listen_protocol_api_uri", Title: "Callback URI", Kind: KindURL, DefaultNote: "127.0.0.1 with the callback port", Example: "http://enrichgate:7070",
			Help: "Address, without path, at which the OpenCTI worker reaches the callback server."},
			parse: address("", func(s *Settings) *string { return &s.connector.ListenAPIURI })},
	})
}

// each marks rows that every entry of connectors has.
func each(rows []row) []row {
	for i := range rows {
		rows[i].each = true
	}
	return rows
}

// maxTLPRow is only for the list: elsewhere it is another name of the source's.
func maxTLPRow() row {
	return row{Setting: Setting{YAML: "connector.max_tlp", Kind: KindTLP}, each: true,
		parse: tlp(func(s *Settings) *string { return &s.connector.MaxTLP })}
}
