package console

import "net/http"

// mountTrail lists the routes of the trail, its export and the figures.
func (s *Server) mountTrail(*http.ServeMux) {}
