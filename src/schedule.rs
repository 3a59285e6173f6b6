//! The timetable, pure: when each probe of each target is due. The time is handed in; nothing is run here.
