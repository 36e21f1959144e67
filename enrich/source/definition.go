package source

// definition is source.yaml. The schema says what each field means; README.md
// explains.
type definition struct {
	Source   string        `yaml:"source"`
	Title    string        `yaml:"title"`
	About    string        `yaml:"about"`
	Homepage string        `yaml:"homepage"`
	Facts    basis         `yaml:"facts"`
	TLP      string        `yaml:"tlp"`
	Settings settingsBlock `yaml:"settings"`
	HTTP     httpBlock     `yaml:"http"`
	Lookups  []lookupBlock `yaml:"lookups"`
	Classify []ruleBlock   `yaml:"classify"`
	Message  string        `yaml:"message"`
	Free     []string      `yaml:"free"`
	Cache    cacheBlock    `yaml:"cache"`
	Usage    usageBlock    `yaml:"usage"`
	Map      string        `yaml:"map"`
}

// basis says how well a definition is founded.
type basis struct {
	Documented []string `yaml:"documented"`
	ClientCode []string `yaml:"client_code"`
	Inferred   []string `yaml:"inferred"`
}

type settingsBlock struct {
	Env     string                 `yaml:"env"`
	Scope   []string               `yaml:"scope"`
	MaxTLP  string                 `yaml:"max_tlp"`
	Quota   string                 `yaml:"quota"`
	Secrets map[string]secretBlock `yaml:"secrets"`
	Params  map[string]paramBlock  `yaml:"params"`
	Aliases map[string]string      `yaml:"aliases"`
	Ignored map[string]string      `yaml:"ignored"`
}

type secretBlock struct {
	Env         string `yaml:"env"`
	Title       string `yaml:"title"`
	Description string `yaml:"description"`
	Optional    bool   `yaml:"optional"`
}

type paramBlock struct {
	Type        string   `yaml:"type"`
	Env         string   `yaml:"env"`
	Title       string   `yaml:"title"`
	Description string   `yaml:"description"`
	Default     any      `yaml:"default"`
	Min         *int64   `yaml:"min"`
	Max         *int64   `yaml:"max"`
	OneOf       []string `yaml:"one_of"`
	Optional    bool     `yaml:"optional"`
}

type httpBlock struct {
	BaseURL string            `yaml:"base_url"`
	Auth    []authBlock       `yaml:"auth"`
	Headers map[string]string `yaml:"headers"`
	Timeout string            `yaml:"timeout"`
	MaxBody string            `yaml:"max_body"`
}

type authBlock struct {
	In       string `yaml:"in"`
	Name     string `yaml:"name"`
	Value    string `yaml:"value"`
	User     string `yaml:"user"`
	Password string `yaml:"password"`
}

type lookupBlock struct {
	ID       string       `yaml:"id"`
	Title    string       `yaml:"title"`
	Types    []string     `yaml:"types"`
	Hashes   []string     `yaml:"hashes"`
	Value    string       `yaml:"value"`
	Request  requestBlock `yaml:"request"`
	Units    *int64       `yaml:"units"`
	Bucket   string       `yaml:"bucket"`
	Batch    *batchBlock  `yaml:"batch"`
	TTL      ttlBlock     `yaml:"ttl"`
	Classify []ruleBlock  `yaml:"classify"`
	Map      string       `yaml:"map"`
}

type batchBlock struct {
	Param   string       `yaml:"param"`
	Most    int          `yaml:"most"`
	Request requestBlock `yaml:"request"`
	Split   string       `yaml:"split"`
	Answers []string     `yaml:"answers"`
	Price   string       `yaml:"price"`
}

type requestBlock struct {
	Method  string            `yaml:"method"`
	Path    string            `yaml:"path"`
	Query   map[string]string `yaml:"query"`
	Headers map[string]string `yaml:"headers"`
	JSON    any               `yaml:"json"`
	Form    map[string]string `yaml:"form"`
}

type ruleBlock struct {
	Status statuses `yaml:"status"`
	When   string   `yaml:"when"`
	Class  string   `yaml:"class"`
}

type ttlBlock struct {
	Found        string `yaml:"found"`
	Partial      string `yaml:"partial"`
	NotFound     string `yaml:"not_found"`
	InvalidInput string `yaml:"invalid_input"`
}

type cacheBlock struct {
	TTL   ttlBlock `yaml:"ttl"`
	From  string   `yaml:"from"`
	Max   string   `yaml:"max"`
	Stale string   `yaml:"stale"`
}

type usageBlock struct {
	From    string        `yaml:"from"`
	Request *requestBlock `yaml:"request"`
}

// statuses takes one HTTP status or a list of them.
type statuses []int

// UnmarshalYAML reads either form; the schema has seen to the rest.
func (s *statuses) UnmarshalYAML(decode func(any) error) error {
	var one int
	if decode(&one) == nil {
		*s = statuses{one}
		return nil
	}
	var many []int
	err := decode(&many)
	*s = many
	return err
}
