/* Executes a program with a hundred children that have ended and were not reaped. */
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argc;
	for (int i = 0; i < 100; i++) {
		siginfo_t death;
		pid_t child = fork();
		if (child == 0)
			_exit(0);
		if (child < 0 || waitid(P_PID, child, &death, WEXITED | WNOWAIT) < 0)
			return 125;
	}
	execv(argv[1], argv + 1);
	return 126;
}
