/*
 * The reference in C, with which tests and benchmarks compare our own pause.
 *
 * Written after Kubernetes' build/pause/linux/pause.c (Copyright 2016 The Kubernetes Authors, Apache License
 * 2.0), and with the same output and exit statuses. VERSION is set on the compiler's command line.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUOTED(text) #text
#define TEXT(macro) QUOTED(macro)

static void shut_down(int number)
{
	psignal(number, "Shutting down, got signal");
	exit(0);
}

static void reap(int number)
{
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
}

int main(int argc, char **argv)
{
	const struct {
		int number;
		struct sigaction action;
	} handled[] = {
		{ SIGINT, { .sa_handler = shut_down } },
		{ SIGTERM, { .sa_handler = shut_down } },
		{ SIGCHLD, { .sa_handler = reap, .sa_flags = SA_NOCLDSTOP } },
	};

	for (int i = 1; i < argc; i++) {
		if (strcasecmp(argv[i], "-v") == 0) {
			printf("pause.c %s\n", TEXT(VERSION));
			return 0;
		}
	}
	if (getpid() != 1)
		fprintf(stderr, "Warning: pause should be the first process\n");

	for (int i = 0; i < 3; i++) {
		if (sigaction(handled[i].number, &handled[i].action, NULL) < 0)
			return 1 + i;
	}
	for (;;)
		pause();
}
