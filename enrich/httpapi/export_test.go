package httpapi

// Routes are all operations, as "GET /api/v1/quota".
func Routes() []string {
	var all []string
	for _, r := range (&API{}).routes() {
		all = append(all, r.method+" "+r.path)
	}
	return all
}
