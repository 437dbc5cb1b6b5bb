package console

import "net/http"

// mountCases lists the routes of release requests.
func (s *Server) mountCases(*http.ServeMux) {}
