// Command naive is the users service that a tutorial would write: Gin without middleware, one
// map under a read-write lock, Gin's own binding, validation and encoding. It keeps the members of
// contract 1 and refuses a taken address, and nothing more; only the driver in tests/bench starts it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/gin-gonic/gin"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8082", "`address` to listen on")
	flag.Parse()

	gin.SetMode(gin.ReleaseMode)
	if err := router(newStore()).Run(*addr); err != nil {
		fmt.Fprintln(os.Stderr, "naive:", err)
		os.Exit(1)
	}
}

func router(s *store) *gin.Engine {
	r := gin.New()
	r.GET("/health", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "pass"}) })
	r.POST("/users/", s.createUser)
	r.GET("/users/", s.listUsers)
	r.GET("/users/:id", s.getUser)
	r.PUT("/users/:id", s.updateUser)
	r.PATCH("/users/:id", s.patchUser)
	r.DELETE("/users/:id", s.deleteUser)
	return r
}

func (s *store) createUser(c *gin.Context) {
	var in userInput
	if err := c.ShouldBindJSON(&in); err != nil {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": err.Error()})
		return
	}
	user, err := s.create(in)
	if err != nil {
		c.JSON(http.StatusConflict, gin.H{"error": err.Error()})
		return
	}
	c.JSON(http.StatusCreated, user)
}

func (s *store) listUsers(c *gin.Context) {
	q := pageQuery{Limit: 50}
	if err := c.ShouldBindQuery(&q); err != nil {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": err.Error()})
		return
	}
	var items []user
	if q.AgeMin == 0 && q.Sort == "" {
		items = s.list(q.Skip, q.Limit)
	} else {
		items = s.find(q)
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil, "prev_cursor": nil})
}

func (s *store) getUser(c *gin.Context) {
	id, err := strconv.Atoi(c.Param("id"))
	if err != nil {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": "invalid id"})
		return
	}
	user, ok := s.get(id)
	if !ok {
		c.JSON(http.StatusNotFound, gin.H{"error": "user not found"})
		return
	}
	c.JSON(http.StatusOK, user)
}

func (s *store) updateUser(c *gin.Context) {
	id, err := strconv.Atoi(c.Param("id"))
	if err != nil {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": "invalid id"})
		return
	}
	var in userInput
	if err := c.ShouldBindJSON(&in); err != nil {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": err.Error()})
		return
	}
	user, err := s.update(id, in)
	switch {
	case err == nil:
		c.JSON(http.StatusOK, user)
	case errors.Is(err, errNotFound):
		c.JSON(http.StatusNotFound, gin.H{"error": err.Error()})
	default:
		c.JSON(http.StatusConflict, gin.H{"error": err.Error()})
	}
}

func (s *store) patchUser(c *gin.Context) {
	id, err := strconv.Atoi(c.Param("id"))
	if err != nil {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": "invalid id"})
		return
	}
	var in userPatch
	if err := c.ShouldBindJSON(&in); err != nil {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": err.Error()})
		return
	}
	user, err := s.patch(id, in, c.GetHeader("If-Match"))
	switch {
	case err == nil:
		c.Header("ETag", user.etag())
		c.JSON(http.StatusOK, user)
	case errors.Is(err, errNotFound):
		c.JSON(http.StatusNotFound, gin.H{"error": err.Error()})
	case errors.Is(err, errStale):
		c.JSON(http.StatusPreconditionFailed, gin.H{"error": err.Error()})
	default:
		c.JSON(http.StatusConflict, gin.H{"error": err.Error()})
	}
}

func (s *store) deleteUser(c *gin.Context) {
	id, err := strconv.Atoi(c.Param("id"))
	if err != nil {
		c.JSON(http.StatusUnprocessableEntity, gin.H{"error": "invalid id"})
		return
	}
	if !s.remove(id) {
		c.JSON(http.StatusNotFound, gin.H{"error": "user not found"})
		return
	}
	c.Status(http.StatusNoContent)
}
