"""A page to try the shop on: lists beside the reasons for them. It asks and reports as any client does."""
