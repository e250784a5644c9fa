// Looks up each name as programs do, and prints it, its first IPv4 address or why there is none, and how many there are. Of an address it prints
// its name.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

static int named(const char *text) {
	struct sockaddr_in at = {.sin_family = AF_INET};
	char name[256];
	if (inet_pton(AF_INET, text, &at.sin_addr) != 1)
		return 0;
	int err = getnameinfo((struct sockaddr *)&at, sizeof at, name, sizeof name, NULL, 0, NI_NAMEREQD);
	printf("%s %s 1\n", text, err == EAI_NONAME ? "absent" : err ? gai_strerror(err) : name);
	return 1;
}

int main(int count, char **names) {
	for (int i = 1; i < count; i++) {
		struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
		char first[INET_ADDRSTRLEN] = "";
		if (named(names[i]))
			continue;
		int all = 0, err = getaddrinfo(names[i], NULL, &hints, &found);
		for (struct addrinfo *a = found; a; a = a->ai_next, all++)
			if (!*first && a->ai_family == AF_INET)
				inet_ntop(AF_INET, &((struct sockaddr_in *)a->ai_addr)->sin_addr, first, sizeof first);
		printf("%s %s %d\n", names[i], err == EAI_NONAME ? "absent" : err ? gai_strerror(err) : first, all);
	}
}
