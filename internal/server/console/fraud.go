package console

import "net/http"

// mountFraud lists the routes of the fraud desk.
func (s *Server) mountFraud(*http.ServeMux) {}
