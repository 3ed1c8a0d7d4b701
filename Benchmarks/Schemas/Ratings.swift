/// Texts of the demonstration's ratings: messages of 3 to 60 characters, as many short as long ones.
let ratingChannels = ["web", "iOS", "iOS-test", "android"]
let ratingMessages = [
    "meh", "is this as good as it gets? really ?", "thank you for the most friendly, helpful experience today",
    "why is it so difficult to keep the bathrooms clean ?", "worst. flight. ever.", "(expletive deleted)",
    "more peanuts please", "your team here rocks!", "airport refurb looks great, will fly outta here more!",
]
