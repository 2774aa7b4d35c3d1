// Command bare is the ceiling that the service is measured against: Gin without middleware that
// answers bytes it was given at the start. It owns no users, parses nothing and logs nothing;
// only the driver in tests/bench starts it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run() error {
	addr := flag.String("addr", "127.0.0.1:8081", "`address` to listen on")
	userFile := flag.String("user", "", "`file` with the body of GET and PATCH /users/:id")
	pageFile := flag.String("page", "", "`file` with the body of GET /users/")
	flag.Parse()

	user, userErr := os.ReadFile(*userFile)
	page, pageErr := os.ReadFile(*pageFile)
	if err := errors.Join(userErr, pageErr); err != nil {
		return err
	}

	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/users/:id", static(user))
	engine.PATCH("/users/:id", static(user))
	engine.GET("/users/", static(page))

	server := &http.Server{Addr: *addr, Handler: engine}
	return server.ListenAndServe()
}

func static(body []byte) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Data(http.StatusOK, "application/json; charset=utf-8", body)
	}
}
